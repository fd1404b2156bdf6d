"""What is remembered of samples, and the ranges that follow: the same however the samples are divided."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minilite.quantization.histogram import ROOM, Histogram
from minilite.quantization.observers import Extremes, MovingAverage
from minilite.quantization.recording import Recording
from minilite.quantization.thresholds import entropy, mse, percentile

FLOATS = (
    st.floats(-(2.0**100), 2.0**100, width=32)
    | st.floats(-4, 4, width=32)
    | st.sampled_from([0.0, 1.0, -1.0, 255.0, -1e-45, 1e-38])
)


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=6), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_histograms_do_not_depend_on_order_nor_division(parts: list[list[float]], random: Any) -> None:
    whole, merged = Histogram(), Histogram()
    values = np.float32([v for part in parts for v in part])
    whole.add(values, values.min(), values.max())
    random.shuffle(parts)
    for part in parts:
        array, one = np.float32(part), Histogram()
        one.add(array, array.min(), array.max())
        merged.merge(one)
    assert merged == whole
    assert merged.total == len(values)
    assert len(merged.counts) <= ROOM
    counts, _ = np.histogram(values.astype(np.float64), merged.edges)
    assert counts[:-1].tolist() == merged.counts[:-1].tolist()


@given(st.integers(1, 400), st.lists(st.integers(1, 399), max_size=6), st.integers(0, 2**32 - 1))
def test_extremes_do_not_depend_on_division(count: int, cuts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    lows = random.normal(size=(count, 3)).round(1).astype(np.float32)  # rounded, so that some are equal
    highs = lows + random.exponential(size=(count, 3)).round(1).astype(np.float32)
    lows[:, 2], highs[:, 2] = np.where(random.random(count) < 0.5, [[np.inf], [-np.inf]], [lows[:, 2], highs[:, 2]])
    whole, parts, average, averages = Extremes(3), Extremes(3), MovingAverage(3), MovingAverage(3)
    whole.add(Recording(0, lows, highs))
    average.add(Recording(0, lows, highs))
    bounds = sorted({0, count, *(c for c in cuts if c < count)})
    pieces = [Recording(a, lows[a:b], highs[a:b]) for a, b in pairwise(bounds)]
    for piece in pieces:
        averages.add(piece)
    random.shuffle(pieces)  # type: ignore[arg-type]  # a list is fine
    for piece in pieces:
        parts.add(piece)
    np.testing.assert_array_equal(average.ranges, averages.ranges)
    for one, other in ((whole.lows, parts.lows), (whole.highs, parts.highs)):
        for name in ("most", "second", "sample", "others", "held", "blocks", "shift"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12, atol=1e-12)


def test_extremes_by_hand() -> None:
    highs = np.float32([[1, 5], [3, -np.inf], [2, 5]])
    lows = np.float32([[-1, 4], [-1, np.inf], [-7, 3]])
    found = Extremes(2)
    found.add(Recording(0, lows, highs))
    assert [v.tolist() for v in found.ranges] == [[-7, 3], [3, 5]]
    assert (found.highs.sample.tolist(), found.lows.sample.tolist()) == ([1, 0], [2, 2])
    assert (found.highs.second.tolist(), (-found.lows.second).tolist()) == ([2, 5], [-1, 4])
    assert found.highs.mean.tolist() == [2, 5]


def test_a_moving_average_by_hand() -> None:
    found = MovingAverage(1)
    found.add(Recording(0, np.float32([[-1], [np.inf], [-3]]), np.float32([[10], [-np.inf], [20]])))
    expected = np.float32(0.95) * np.float32(10) + np.float32(0.05) * np.float32(20)
    assert found.ranges[1, 0] == expected
    np.testing.assert_allclose(found.ranges[0, 0], -1.1, rtol=1e-6)


# ---- thresholds ------------------------------------------------------------------------------------------------------


def filled(values: np.ndarray) -> Histogram:
    found = Histogram()
    for part in np.array_split(values.astype(np.float32), 5):
        found.add(part, part.min(), part.max())
    return found


def error(values: np.ndarray, low: float, high: float, type_: str) -> float:
    """The mean squared error of quantizing by the usual formula."""
    low, high = min(low, 0.0), max(high, 0.0)
    steps, zero = (255.0, 0.0) if type_ == "int8" else (65534.0, 32767.0)
    half = max(-low, high)
    scale = (high - low) / steps if type_ == "int8" else 2 * half / steps
    begin = np.round(low / scale) if type_ == "int8" else -zero
    q = np.clip(np.round(values / scale), begin, begin + steps)
    return float(np.mean((q * scale - values) ** 2))


def drawn(kind: str) -> np.ndarray:
    random = np.random.default_rng(3)
    normal = random.normal(0.3, 2.0, 50_000)
    return {
        "normal": normal,
        "relu": np.maximum(normal, 0),
        "heavy": random.standard_t(3, 50_000) * 0.01,
        "outlier": np.append(normal, 1000.0),
        "positive": random.uniform(3, 4, 50_000),
        "negative": -random.exponential(2.0, 50_000),
    }[kind].astype(np.float32)


KINDS = ("normal", "relu", "heavy", "outlier", "positive", "negative")


@pytest.mark.parametrize("kind", KINDS)
def test_mse_is_within_a_little_of_the_best_there_is(kind: str) -> None:
    values = drawn(kind).astype(np.float64)
    low, high = mse(filled(values), "int8")
    assert values.min() <= low <= high <= values.max()
    ends = [np.linspace(0, 1, 41)[1:] * end for end in (min(values.min(), 0), max(values.max(), 0))]
    if kind == "outlier":
        ends[1] = np.append(ends[1], np.linspace(4, 12, 20))
    best = min(error(values, a, b, "int8") for a in np.unique(ends[0]) for b in np.unique(ends[1]))
    assert error(values, low, high, "int8") < 1.06 * best


@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_bits_need_no_clipping(kind: str) -> None:
    values = drawn(kind).astype(np.float64)
    for rule in (mse, entropy):
        low, high = rule(filled(values), "int16")
        whole = error(values, values.min(), values.max(), "int16")
        assert error(values, low, high, "int16") <= 1.02 * whole


@pytest.mark.parametrize("percent", [100.0, 99.99, 99.0, 50.0])
@pytest.mark.parametrize("kind", KINDS)
def test_percentiles_cut_as_much_as_they_may(kind: str, percent: float) -> None:
    values = drawn(kind)
    histogram = filled(values)
    low, high = percentile(histogram, percent)
    inside = np.mean((values >= low) & (values <= high))
    assert inside >= percent / 100 - 1e-12
    cut = (100 - percent) / 200 * len(values)
    for beyond, and_a_bin in (
        (values < low, values < low + histogram.width),
        (values > high, values > high - histogram.width),
    ):
        assert beyond.sum() <= cut + 1e-6
        assert and_a_bin.sum() >= int(cut)
    if percent == 100:
        assert (low, high) == (values.min(), values.max())


def test_entropy_clips_outliers_and_keeps_what_is_spread_evenly() -> None:
    random = np.random.default_rng(0)
    values = random.normal(0, 1, 200_000).astype(np.float32)
    few = np.append(values, np.float32([60, -50]))
    low, high = entropy(filled(few), "int8")
    assert 2 < high < 12
    assert -12 < low < -2
    shared = np.append(values, np.full(300_000, 0.7, np.float32))
    assert entropy(filled(shared), "int8")[1] > 3
    even = random.uniform(0, 1, 200_000).astype(np.float32)
    assert entropy(filled(even), "int8")[1] > 0.95


@pytest.mark.parametrize("rule", [mse, entropy])
@pytest.mark.parametrize("value", [0.0, 3.0, -1e-30, 1e30])
def test_a_single_value_is_its_own_range(rule: Any, value: float) -> None:
    assert rule(filled(np.full(10, value)), "int8") == (np.float32(value), np.float32(value))
