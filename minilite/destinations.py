"""Whether a file can be written where it is to be, asked before anything is computed for it."""

from __future__ import annotations

import os
from pathlib import Path

from minilite.errors import ArgumentError


def check_folder(*paths: str | os.PathLike[str] | None) -> None:
    """Raise :class:`ArgumentError` for a path that has no folder to be in, or is one; None is for no file."""
    for path in paths:
        if path is not None and Path(path).is_dir():
            raise ArgumentError(f"cannot write {str(path)!r}: it is a folder; give the name of a file.")
        if path is not None and not Path(path).parent.is_dir():
            raise ArgumentError(f"cannot write {str(path)!r}: there is no folder {str(Path(path).parent)!r}.")
