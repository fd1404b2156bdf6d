"""Text from a file, as a terminal may be given it."""

from __future__ import annotations

_SEEN = {9, 10}  # tabs and new lines
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)
_SHOWN = {c: f"\\x{c:02x}" for c in (*range(32), *range(127, 160)) if c not in _SEEN}
_SHOWN |= {c: f"\\u{c:04x}" for c in _DIRECTIONS}


def visible(text: str) -> str:
    """The text with control characters written out, so that names in a file send no sequences to a terminal, and
    neither hide nor reorder what is printed."""
    return text.translate(_SHOWN)
