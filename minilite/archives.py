"""Arrays in an .npz file, under names that may be anything, ``file`` included, which ``numpy.savez`` would not take."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np

from minilite.terminal import LONGEST, encodable
from minilite.writing import replacing

MOST_BYTES = 60_000
"""Bytes of a name that stay; archives have room for 65,535."""


def key(name: str) -> str:
    """The name as an archive can have it: bytes that are not UTF-8, and NUL, are written out, and of names beyond
    :data:`MOST_BYTES` there is the beginning."""
    text = encodable(name)
    return text if len(text.encode()) <= MOST_BYTES else f"{text[:LONGEST]}...({len(text):,} characters)"


def keys(names: Iterable[str]) -> list[str]:
    """A :func:`key` for each name, none of them twice."""
    found: dict[str, None] = {}
    for name in names:
        new = key(name)
        while new in found:
            new += "_"
        found[new] = None
    return list(found)


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Write arrays under the :func:`keys` of their names, whole or not at all."""
    compression = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with replacing(path) as beside, zipfile.ZipFile(beside, "w", compression) as archive:
        for name, array in zip(keys(arrays), arrays.values(), strict=True):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
