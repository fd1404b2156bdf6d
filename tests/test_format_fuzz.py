"""Broken files of every kind: a model or a ModelError, never another exception, a hang or much memory.

Bytes of real models (those of the folder ``MINILITE_MODELS`` if it is there, small ones of our own always) are
flipped, cut, moved and spliced, and whatever looks like a number of the structure is replaced by a likely wrong
one. What can still be read must survive being written.
"""

from __future__ import annotations

import functools
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite import ModelError
from minilite.soundness import check
from tests.format_bytes import outside_model
from tests.models import files, folder
from tests.small_models import add, custom, every_detail, stateful, two_signatures

LIKELY = (0, 1, 2, 3, 4, 7, 8, 16, 127, 255, 2**15, 2**16 - 1, 2**20, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
LARGEST = 100_000
"""Bytes of a model that is worth breaking; in larger ones nearly every byte is a weight."""


@functools.cache
def seeds() -> list[bytes]:
    """Files to break."""
    own = [model().to_bytes() for model in (add, every_detail, two_signatures, stateful, custom, outside_model)]
    where = folder()
    paths = [where / name for name in files()] if where else []
    return own + [path.read_bytes() for path in paths if 0 < path.stat().st_size <= LARGEST]


@st.composite
def mutations(draw: st.DrawFn, content: bytes) -> bytes:
    """``content`` after one to four wrongs."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(changed) - 1, 0)))
        WRONGS[draw(st.integers(0, len(WRONGS) - 1))](draw, changed, place)
    return bytes(changed)


def flip(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    if changed:
        changed[place] ^= 1 << draw(st.integers(0, 7))


def renumber(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    """A 4-byte number becomes a likely wrong one, or any offset into the file."""
    place -= place % 4
    if place + 4 <= len(changed):
        value = draw(st.sampled_from(LIKELY) | st.integers(0, len(changed)))
        struct.pack_into("<I", changed, place, value)


def shift(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    """An offset or index becomes a neighbour."""
    place -= place % 4
    if place + 4 <= len(changed):
        step = draw(st.sampled_from((-16, -8, -4, -2, -1, 1, 2, 4, 8, 16)))
        struct.pack_into("<I", changed, place, (struct.unpack_from("<I", changed, place)[0] + step) % 2**32)


def reslot(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    """An entry of a vtable points elsewhere in its table."""
    place -= place % 2
    if place + 2 <= len(changed):
        value = draw(st.integers(0, 64) | st.just(2**16 - 2))
        struct.pack_into("<H", changed, place, value)


def cut(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    del changed[place:]


def drop(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    del changed[place : place + draw(st.integers(1, 64))]


def insert(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    changed[place:place] = draw(st.binary(min_size=1, max_size=16))


def splice(draw: st.DrawFn, changed: bytearray, place: int) -> None:
    """Bytes of another model."""
    other = draw(st.sampled_from(seeds()))
    start = draw(st.integers(0, len(other) - 1))
    size = draw(st.integers(1, 200))
    changed[place : place + size] = other[start : start + size]


WRONGS = (flip, renumber, shift, reslot, cut, drop, insert, splice)


def refusal(function: Callable[[], object]) -> str:
    """The message of the ModelError that ``function`` raises; empty if it raises none."""
    try:
        function()
    except ModelError as error:
        return str(error)
    return ""


@given(data=st.data())
def test_a_broken_file_is_a_model_or_a_model_error(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, len(seeds()) - 1))
    content = data.draw(mutations(seeds()[seed]))
    if refusal(lambda: minilite.read(content)):
        return
    model = minilite.read(content)
    refusal(lambda: check(model))
    unwritable = refusal(model.to_bytes)
    assert not unwritable or "of a kind unknown to this schema" in unwritable
    assert unwritable or minilite.read(model.to_bytes()) == model


@given(st.binary(max_size=300).map(lambda noise: b"\x10\0\0\0TFL3" + noise))
def test_noise_behind_the_identifier(content: bytes) -> None:
    if not refusal(lambda: minilite.read(content)):
        model = minilite.read(content)
        assert minilite.read(model.to_bytes()) == model


@given(data=st.data())
def test_a_broken_file_asks_for_little_memory(data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from([seed for seed in seeds() if len(seed) < 3000]))
    content = data.draw(mutations(seed))
    tracemalloc.start()
    refusal(lambda: minilite.read(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


@pytest.mark.parametrize("name", files())
def test_a_real_model_cut_anywhere_is_a_model_error_or_the_same_model(name: str) -> None:
    where = folder()
    assert where is not None
    content = Path(where / name).read_bytes()
    model = minilite.read(content)
    for size in sorted({len(content) * part // 16 for part in range(16)} | {len(content) - 1}):
        rest = content[:size]
        if not refusal(lambda rest=rest: minilite.read(rest)):
            assert minilite.read(rest) == model, "what was cut off was padding"
