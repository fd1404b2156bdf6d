"""Writing files whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside ``path`` to write to; the file written there takes its place unless something is raised.

    So a full disk or an interrupt leaves the file that was there before, and who reads meanwhile sees the old one or
    the new one. Permissions stay; of a link it is the target that is replaced. What is no file (a pipe, /dev/stdout)
    is written to as it is."""
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    beside = target.with_name(f"{target.name[:200]}.{os.urandom(4).hex()}.tmp")
    try:
        yield beside
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
