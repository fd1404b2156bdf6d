"""A .tflite file to a :class:`~minilite.model.Model`, everything checked."""

from __future__ import annotations

import mmap
import os
import reprlib
import stat
from pathlib import Path
from typing import Any, BinaryIO

from minilite.errors import ArgumentTypeError, ModelError
from minilite.limits import DEFAULT, Limits, check_limits, check_tensors, to_raise
from minilite.model import Model
from minilite.references import check_references
from minilite.schema.decode import Decoder
from minilite.schema.layout import layout_of
from minilite.schema.problems import Damage

INVALID = "The model is not a valid Flatbuffer buffer"
"""How LiteRT begins when the bytes are not a model."""

IDENTIFIER = b"TFL3"
START = 32
"""Bytes that tell what a file is."""

FOREIGN = (
    (b"version https://git-lfs", "It is a Git LFS pointer, not the file itself: run git lfs pull."),
    (b"<", "It looks like a web page: the download went wrong."),
    (b"PK\x03\x04", "It is a ZIP archive, such as a .task bundle or a Keras model: unpack or convert it."),
    (b"\x89HDF", "It is an HDF5 file, such as a Keras model: convert it to .tflite."),
    (b"\x1f\x8b", "It is compressed with gzip: unpack it."),
)
"""What often carries the name of a model: first bytes, and what to do."""


def read(source: str | bytes | os.PathLike[str], *, limits: Limits = DEFAULT) -> Model:
    """Read a model from a path, or from the bytes of a file.

    A path is memory-mapped: constants are read-only views of the file and are loaded when they are touched.
    Do not overwrite a file in place while a model read from it is in use; :meth:`Model.save` is safe.

    Checked are the file's structure and that every index leads somewhere. A model that LiteRT would refuse for
    other reasons (:func:`minilite.soundness.check`) can be read and looked at.

    Raises :class:`~minilite.errors.ModelError` when there is no such file, it is not a sound model, or it has more
    tensors than ``limits`` (:class:`minilite.Limits`) allow; the message says where in the file.
    """
    check_limits(limits)
    if isinstance(source, bytes):
        return decode(source, limits)
    if isinstance(source, str | os.PathLike):
        return decode(_content(Path(os.fsdecode(source)), limits), limits)
    raise ArgumentTypeError(f"read() takes a path, or the bytes of a file, not {type(source).__name__}.")


def _content(path: Path, limits: Limits) -> Any:
    try:
        is_directory = path.is_dir()
        content = b"" if is_directory else _map(path, limits)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"Could not open {shown(path)}. {reason}.") from None
    if is_directory:
        raise ModelError(f"Mmap of {shown(path)} at offset '0' failed with error '19'. It is a directory.")
    if len(content) == 0:
        raise ModelError(f"mmap of size 0 requested. {shown(path)} is an empty file.")
    return content


def shown(path: str | os.PathLike[str]) -> str:
    """A path in a message: quoted, and the middle left out where it is too long for one."""
    short = reprlib.Repr()
    short.maxstring = 300
    return short.repr(os.fspath(path))


def _map(path: Path, limits: Limits) -> Any:
    """The file's content, memory-mapped where the file system can do that."""
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return _stream(file, path, limits)
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return file.read()


def _stream(file: BinaryIO, path: Path, limits: Limits) -> bytes:
    """What comes from a pipe or device, which may have no end: no more than its beginning where that is no model's, and
    no more than ``max_memory``."""
    content = file.read(START)
    if content[4:8] != IDENTIFIER:
        return content
    most = limits.max_memory
    content += file.read(-1 if most is None else max(most - START, 0) + 1)
    if most is not None and len(content) > most:
        raise ModelError(
            f"{shown(path)} is a stream; expected at most max_memory={most} bytes. {to_raise('max_memory')}"
        )
    return content


def decode(content: Any, limits: Limits = DEFAULT) -> Model:
    """The model in the bytes of a file: any buffer."""
    file = Decoder(content)
    if bytes(file.view[4:8]) != IDENTIFIER:
        raise ModelError(f"{INVALID}: {_foreign(bytes(file.view[:START]))}")
    try:
        model: Model = file.table(layout_of("Model"), file.target(0))
    except Damage as damage:
        raise ModelError(
            f"{INVALID}: at byte {damage.position} ({damage.where}), {damage.what}."
            " The file is damaged or cut short; fetch or convert it again."
        ) from None
    check_tensors(model, limits)
    check_references(model)
    return model


def _foreign(start: bytes) -> str:
    """What a file that is no model may be, and what to do."""
    for beginning, advice in FOREIGN:
        if start.startswith(beginning):
            return advice
    return f"bytes 4 to 8 are {start[4:8]!r} and not {IDENTIFIER!r}, so it is no .tflite file."
