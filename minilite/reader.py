"""A .tflite file to a :class:`~minilite.model.Model`, everything checked."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

from minilite.errors import ArgumentTypeError, ModelError
from minilite.model import Model
from minilite.schema.decode import Decoder
from minilite.schema.layout import layout_of
from minilite.schema.problems import Damage
from minilite.soundness import check_references

INVALID = "The model is not a valid Flatbuffer buffer"
"""How LiteRT begins when the bytes are not a model."""

ADVICE = "The file is damaged, cut short or not a .tflite model; fetch or convert it again."


def read(source: str | bytes | os.PathLike[str]) -> Model:
    """Read a model from a path, or from the bytes of a file.

    A path is memory-mapped: constants are read-only views of the file and are loaded when they are touched.
    Do not overwrite a file in place while a model read from it is in use; :meth:`Model.save` is safe.

    Raises :class:`~minilite.errors.ModelError` when there is no such file, or it is not a sound model; the
    message says where in the file.
    """
    if isinstance(source, bytes):
        return decode(source)
    if isinstance(source, str | os.PathLike):
        return decode(_map(Path(source)))
    raise ArgumentTypeError(f"read() takes a path or the bytes of a file, not {type(source).__name__}.")


def _map(path: Path) -> Any:
    """The file's content, memory-mapped."""
    if path.is_dir():
        raise ModelError(f"Mmap of {str(path)!r} at offset '0' failed with error '19'. It is a directory.")
    try:
        with path.open("rb") as file:
            empty = os.fstat(file.fileno()).st_size == 0
            content = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ModelError(f"Could not open {str(path)!r}. {error}") from None
    if empty:
        raise ModelError(f"mmap of size 0 requested. {str(path)!r} is an empty file.")
    return content


def decode(content: Any) -> Model:
    """The model in the bytes of a file: any buffer."""
    file = Decoder(content)
    identifier = bytes(file.view[4:8])
    if identifier != b"TFL3":
        raise ModelError(f"{INVALID}: bytes 4 to 8 must be b'TFL3' and are {identifier!r}. {ADVICE}")
    try:
        model: Model = file.table(layout_of("Model"), file.target(0))
    except Damage as damage:
        place = f"at byte {damage.position} ({damage.where})"
        raise ModelError(f"{INVALID}: {place}, {damage.what}. {ADVICE}") from None
    check_references(model)
    return model
