"""What is kept of compiled kernels: nothing that goes wrong with it is more than a loss of time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from tests import small_models as models

pytest.importorskip("numba")

from minilite.engines.numba import objects

FOLDER = Path(__file__).parent.parent
SCRIPT = """
import sys
if sys.argv[2]:  # bytes that a file may have: the disk is full then
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
import numpy as np, minilite
interpreter = minilite.Interpreter(sys.argv[1], engine="numba")
interpreter.set_tensor(0, np.float32([[5, 6, 7, 8]]))
interpreter.invoke()
assert interpreter.get_tensor(1).tolist() == [[6, 8, 10, 12]]
print("numba" in sys.modules)
"""


def started(model: Path, cache: Path, limit: str = "", **extra: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0", "MINILITE_CACHE": str(cache), **extra}
    command = [sys.executable, "-c", SCRIPT, str(model), limit]
    return subprocess.Popen(
        command, env=environment, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def compiled(*children: subprocess.Popen[str]) -> list[bool]:
    """Whether each of them had to compile something; all have computed what they should."""
    found = []
    for child in children:
        out, error = child.communicate(timeout=120)
        assert child.returncode == 0, error
        found.append(out.strip() == "True")
    return found


def test_processes_share_a_cache(tmp_path: Path) -> None:
    """Two that begin at once, then one that finds everything."""
    model, cache = tmp_path / "add.tflite", tmp_path / "cache"
    models.add().save(model)
    assert compiled(started(model, cache), started(model, cache)) == [True, True]
    for file in cache.iterdir():
        head, _, code = file.read_bytes().partition(b"\n")
        assert file.suffix == ".o"
        assert head[:64].decode() == hashlib.sha256(code).hexdigest()
    assert sorted(file.name.split("-")[0] for file in cache.iterdir()) == ["binary", "runner", "start"]
    assert compiled(started(model, cache)) == [False]


@pytest.mark.parametrize("change", [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_FEATURES": "+sse2"}])
def test_another_processor_has_files_of_its_own(change: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    kind = ("runner", "alone")
    here = objects._file(kind)
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    with mock.patch.object(objects, "features", objects.features.__wrapped__):
        monkeypatch.setattr(objects, "_surroundings", objects._surroundings.__wrapped__)
        assert objects._file(kind) != here


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
def test_a_full_disk_costs_time_only(tmp_path: Path) -> None:
    """Writing fails in the middle of a file, and nothing is left of it."""
    model, cache = tmp_path / "add.tflite", tmp_path / "cache"
    models.add().save(model)
    assert compiled(started(model, cache, limit="500")) == [True]
    assert list(cache.iterdir()) == []


def test_nobody_without_a_home_shares_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept then: a folder for everybody is no place for code."""
    for name in ("MINILITE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    with mock.patch.object(Path, "home", side_effect=RuntimeError("Could not determine home directory.")):
        assert objects.folder().is_relative_to(os.devnull)
        assert not objects._file(("runner", "alone")).is_file()
        with pytest.raises(OSError, match=r".*"):
            objects._keep(objects._file(("runner", "alone")), "name", b"code")


def test_numba_that_compiles_nothing_is_no_engine() -> None:
    """Told so by a file of its settings, of which minilite knows nothing."""
    with mock.patch("numba.njit", return_value=lambda function: function), pytest.raises(objects.CannotCompile):
        objects._compile(("runner", "alone"))
