"""Text from a file, as a terminal, a page or an archive may be given it."""

from __future__ import annotations

import re
import sys

LONGEST = 1000
"""Characters of a word that are shown whole."""

_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tabs and new lines
    r"\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # not to be seen
    r"\ud800-\udfff]"  # bytes that are not UTF-8, as the reader has them
)
_UNENCODABLE = re.compile(r"[\x00\ud800-\udfff]")
_LONG = re.compile(rf"\S{{{LONGEST + 1},}}")


def visible(text: str) -> str:
    """The text with control characters written out, so that names in a file send no sequences to a terminal, and
    neither hide nor reorder what is printed; and with bytes that are no text written out, so that UTF-8 can hold it."""
    return _HIDDEN.sub(_written_out, text)


def encodable(text: str) -> str:
    """The text with only what UTF-8 and archives cannot hold written out: bytes that are no text, and NUL."""
    return _UNENCODABLE.sub(_written_out, text)


def brief(text: str) -> str:
    """The text with the middle of very long words, such as names may be, left out."""
    return _LONG.sub(_shortened, text)


def printable(text: str) -> str:
    """:func:`visible` and :func:`brief`."""
    return brief(visible(text))


def tolerate() -> None:
    """Let standard output and error write out what their encoding lacks, where they would raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _shortened(match: re.Match[str]) -> str:
    part = LONGEST // 5
    return f"{match[0][:part]}...({len(match[0]):,} characters)...{match[0][-part:]}"
