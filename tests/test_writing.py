"""Files are written whole or not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import minilite
from minilite.archives import save_arrays
from minilite.quantization.calibration import Calibration
from minilite.writing import replacing
from tests import small_models as models

WRITERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "model": (lambda path: models.add().save(path), "pathlib.Path.write_bytes"),
    "calibration": (lambda path: Calibration("minmax", {}, 0, {}).save(path), "pathlib.Path.write_text"),
    "outputs": (lambda path: save_arrays(path, {"y": np.zeros(3)}), "numpy.lib.format.write_array"),
}


def written_by_half(*args: Any, **options: Any) -> None:
    for path in (a for a in args if isinstance(a, Path)):
        with open(path, "wb") as stream:
            stream.write(b"half of it")
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file(name: str, tmp_path: Path) -> None:
    write, how = WRITERS[name]
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with mock.patch(how, autospec=True, side_effect=written_by_half), pytest.raises(OSError, match="No space left"):
        write(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write(path)
    assert path.read_bytes() != b"old"


def test_an_interrupt_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        _interrupted(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _interrupted(path: Path) -> None:
    with replacing(path) as beside:
        beside.write_bytes(b"new")
        raise KeyboardInterrupt


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file)
    with replacing(link) as beside:
        beside.write_bytes(b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_carved_part_is_written_whole(tmp_path: Path) -> None:
    part = minilite.carve(models.chain(), 0, inputs=np.ones((2, 2), np.float32))
    files = part.save(tmp_path / "part")
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert zipfile.is_zipfile(tmp_path / "part.npz")
