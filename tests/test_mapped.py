"""Constants of a memory-mapped file whose packed copies are read from now on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite.mapped import release
from tests.small_models import Builder, one

SMAPS = Path("/proc/self/smaps")


def resident(file: Path) -> int:
    """KiB of a mapped file that are in memory."""
    inside, total = False, 0
    for line in SMAPS.read_text().splitlines():
        first = line.split()[0]
        if "-" in first and not first.endswith(":"):
            inside = line.endswith(str(file))
        elif inside and first == "Rss:":
            total += int(line.split()[1])
    return total


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A dense layer of 4 MB."""
    b = Builder()
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(1024, 1024)).astype(np.float32)
    x, w, y = b.tensor("x", (1, 1024)), b.constant("w", weights), b.tensor("y", (1, 1024))
    one(b, "FULLY_CONNECTED", (x, w, -1), (y,), "FullyConnectedOptions").save(tmp_path / "dense.tflite")
    return tmp_path / "dense.tflite"


@pytest.mark.skipif(not SMAPS.exists(), reason="needs Linux's account of a process's memory")
def test_pages_are_given_back_and_can_be_read_again(file: Path) -> None:
    model = minilite.read(file)
    (weights,) = (b.data for b in model.buffers if b.data is not None and len(b.data) > 1000)
    before = bytes(weights)
    assert resident(file) >= 4000
    release(np.asarray(weights))
    assert resident(file) < 200
    assert bytes(weights) == before


@pytest.mark.skipif(not SMAPS.exists(), reason="needs Linux's account of a process's memory")
def test_a_compiled_layer_keeps_one_copy(file: Path) -> None:
    pytest.importorskip("numba")
    interpreter = minilite.Interpreter(file, engine="numba", kernels="xnnpack")
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert resident(file) < 1000
    assert np.ptp(interpreter.get_tensor(1)) > 0  # still there


def test_arrays_with_memory_of_their_own_are_left_alone() -> None:
    array = np.arange(100_000)
    for one_ in (array, array[10:], array[::2], np.frombuffer(bytes(100_000), np.uint8)):
        before = one_.copy()
        release(one_)
        assert np.array_equal(one_, before)
