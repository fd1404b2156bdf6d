"""Random operators beyond what a drawn case shows: distributions, seeds of 0, and how long a generator lives."""

from __future__ import annotations

import numpy as np
import pytest

import minilite
from minilite.cases import Arg, Case, constant
from minilite.errors import OperatorError
from minilite.ops import OPS
from minilite.ops.philox import counted, philox
from minilite.ops.stablehlo_rng_bit_generator import threefry
from minilite.testing.one_operator import build
from minilite.testing.seeded import SeededDraw

COUNT = 40_000
SEED = {"seed": 1234, "seed2": 5}


def interpreter(name: str, *args: Arg, **seeds: int) -> minilite.Interpreter:
    """A model of one operator, allocated."""
    op = OPS[name]
    one = build(SeededDraw(0), op, op.definitions[0], Case(args, seeds))
    made = minilite.Interpreter(model_content=one.model.to_bytes())
    made.allocate_tensors()
    return made


def drawn(made: minilite.Interpreter) -> np.ndarray:
    made.invoke()
    return np.asarray(made.get_tensor(made.get_output_details()[0]["index"]))


@pytest.mark.parametrize("seeds", [SEED, {}])
def test_uniform_numbers_are_uniform(seeds: dict[str, int]) -> None:
    numbers = drawn(interpreter("RANDOM_UNIFORM", constant([COUNT]), **seeds))
    counts = np.histogram(numbers, 16, (0, 1))[0]
    assert counts.sum() == COUNT
    assert np.square(counts - COUNT / 16).sum() / (COUNT / 16) < 100  # chi-square, 15 degrees: p < 1e-13


@pytest.mark.parametrize("seeds", [SEED, {}])
def test_normal_numbers_are_normal(seeds: dict[str, int]) -> None:
    numbers = drawn(interpreter("RANDOM_STANDARD_NORMAL", constant([COUNT]), **seeds)).astype(np.float64)
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(numbers**power) - expected) < 8 * np.sqrt(variance / COUNT)


@pytest.mark.parametrize("seeds", [SEED, {}])
def test_classes_come_as_often_as_they_should(seeds: dict[str, int]) -> None:
    shares = np.array([[0.5, 0.3, 0.2, 0.0], [0.01, 0.0, 0.9, 0.09]])
    with np.errstate(divide="ignore"):
        logits = constant(np.log(shares) + 3, np.float32)
    classes = drawn(interpreter("MULTINOMIAL", logits, constant(COUNT), **seeds))
    found = np.stack([np.bincount(row, minlength=4) for row in classes]) / COUNT
    assert np.all(np.abs(found - shares) <= 8 * np.sqrt(shares * (1 - shares) / COUNT))


def test_every_invoke_and_every_unseeded_interpreter_draws_anew() -> None:
    one, other = (interpreter("RANDOM_UNIFORM", constant([100])) for _ in range(2))
    seen = [drawn(i).tolist() for i in (one, one, other)]
    assert all(a != b for a, b in ((seen[0], seen[1]), (seen[0], seen[2]), (seen[1], seen[2])))


def test_seeded_interpreters_draw_the_same_and_allocating_anew_begins_anew() -> None:
    one, other = (interpreter("MULTINOMIAL", Arg((2, 3), constant=False), constant(50), **SEED) for _ in range(2))
    first, second = drawn(one).tolist(), drawn(one).tolist()
    assert [drawn(other).tolist(), drawn(other).tolist()] == [first, second]
    assert first != second
    one.resize_tensor_input(0, [3, 3])
    one.allocate_tensors()
    assert drawn(one)[:2].tolist() == first


def test_philox_and_threefry_give_the_numbers_of_their_authors() -> None:
    """The known answers of Random123 (kat_vectors): counters and keys of zeros, of ones."""
    counters = np.array([[0] * 4, [2**32 - 1] * 4], np.uint32)
    expected = [0x6627E8D5E169C58DBC57AC4C9B00DBD8, 0x408F276D41C83B0EA20BC7C66D5451FD]
    assert _numbers(philox((0, 0), counters[:1]), philox((2**32 - 1,) * 2, counters[1:])) == expected
    expected = [0x6B20015999BA4EFE, 0x1CB996FCBB002BE7]
    assert _numbers(threefry((0, 0), counters[:1, :2]), threefry((2**32 - 1,) * 2, counters[1:, :2])) == expected


def _numbers(*words: np.ndarray) -> list[int]:
    return [int.from_bytes(w.astype(">u4").tobytes(), "big") for w in words]


def test_counters_carry_as_far_as_they_have_words() -> None:
    start = (7 << 64) + 2**64 - 1
    top = 2**32 - 1
    assert counted(start, 2).tolist() == [[top, top, 7, 0], [0, 0, 8, 0]]
    assert counted(start, 2, 2).tolist() == [[top, top], [0, 0]]


def test_too_many_n_grams_are_refused_before_they_are_made() -> None:
    sentence = np.array([b"a " * 500], object)
    op, options = OPS["SKIP_GRAM"], {"ngram_size": 250, "max_skip_size": 400}
    node = build(SeededDraw(0), op, op.definitions[0], Case((Arg((1,), sentence, constant=False),), options)).node
    with pytest.raises(OperatorError, match="n-grams"):
        op.definitions[0].compute(node, sentence)
