"""Memory for the constants of a plan."""

from __future__ import annotations

import mmap
import threading
from unittest import mock

import numpy as np
import pytest

from minilite.engines.numba import large_pages, packing


def test_what_is_packed_lies_side_by_side() -> None:
    with large_pages.reserved(large_pages.LEAST):
        first, second = packing.aligned((3, 100), np.float32), packing.aligned(7, np.int8)
        assert first.ctypes.data % 64 == second.ctypes.data % 64 == 0
        if hasattr(mmap, "MADV_HUGEPAGE"):
            assert 0 < second.ctypes.data - first.ctypes.data - first.nbytes < 256
        assert not first.any()
        assert not second.any()
        first[:], second[:] = 1, 2
    assert first.sum() == 300  # it stays as long as an array over it does
    assert second.sum() == 14


def test_what_does_not_fit_is_had_from_numpy() -> None:
    with large_pages.reserved(large_pages.LEAST):
        large = large_pages.zeros(large_pages.TIMES * large_pages.LEAST + 1)
        assert not large[:: 1 << 16].any()


@pytest.mark.parametrize("constants", [0, large_pages.LEAST - 1, 1 << 62])
def test_few_constants_and_too_many(constants: int) -> None:
    """The address space that is asked for has a bound."""
    with large_pages.reserved(constants):
        assert not packing.aligned((2, 2), np.int64).any()


def test_where_the_system_refuses() -> None:
    refused = mock.patch.object(mmap, "mmap", side_effect=OSError(12, "Cannot allocate memory"))
    with refused, large_pages.reserved(large_pages.LEAST):
        assert not packing.aligned((2, 2), np.int64).any()


def test_other_threads_have_their_own() -> None:
    found: list[np.ndarray] = []
    with large_pages.reserved(large_pages.LEAST):
        here = large_pages.zeros(64)
        thread = threading.Thread(target=lambda: found.append(large_pages.zeros(64)))
        thread.start()
        thread.join()
        assert not np.shares_memory(here, found[0])
