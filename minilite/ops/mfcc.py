"""Mfcc: mel-frequency cepstral coefficients, a short description of the sound in each row of a spectrogram.

    band[b] = log(max(sum over f of triangle[b, f] * sqrt(input[channel, row, f]), 1e-12))
    output[channel, row, c] = sqrt(2 / bands) * sum over b of band[b] * cos(pi / bands * c * (b + 1/2))

input [channels, rows, frequencies] with squared magnitudes, frequency f being f * rate / 2 / (frequencies - 1) Hz; rate
[1] in Hz, int32. output [channels, rows, dct_coefficient_count]. Triangle b has its corners at the centers b - 1, b and
b + 1, which are evenly spaced between the limits in mel = 1127 * log(1 + Hz / 700); frequencies below the lower limit,
and 0, count nothing. Where the upper limit is not in the spectrogram, LiteRT computes no bands, and all outputs are 0.

Options, a flexbuffer: upper_frequency_limit, lower_frequency_limit, filterbank_channel_count (bands),
dct_coefficient_count (at most as many). Their fractions are dropped. Everything is computed in float64, sums one term
after the other, and rounded once.

Source: Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition in
continuously spoken sentences"; TensorFlow Lite's mfcc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, data, fed
from minilite.errors import OperatorError
from minilite.flexbuffers import encode
from minilite.ops.custom_options import options_map, whole
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
FLOOR = 1e-12
LARGEST = 4096
"""Bands."""


@dataclass(frozen=True)
class Options:
    """The custom options, checked. Limits are in Hz."""

    upper: float
    lower: float
    bands: int
    coefficients: int


def read_options(node: Node) -> Options:
    found = options_map(node)
    lower = whole(node, found, "lower_frequency_limit")
    upper = whole(node, found, "upper_frequency_limit", lower + 1)
    bands = whole(node, found, "filterbank_channel_count", 1, LARGEST)
    count = whole(node, found, "dct_coefficient_count", 1, bands)
    return Options(float(np.float32(upper)), float(np.float32(lower)), bands, count)


def shapes(node: Node, input: TensorInfo, rate: TensorInfo) -> tuple[Shape]:
    fits = input.rank == 3 and input.shape[2] >= 2
    input.need(fits, "3 dimensions [channels, rows, frequencies] with 2 frequencies or more", input.shape)
    rate.need(math.prod(rate.shape) == 1, "one element", rate.shape)
    return ((*input.shape[:2], read_options(node).coefficients),)


def mel(hertz: float) -> float:
    return 1127.0 * math.log1p(hertz / 700.0)


@dataclass(frozen=True)
class Filter:
    """What a frequency adds to two neighbouring bands: ``weight`` of it to ``band``, the rest to the next one."""

    frequency: int
    band: int
    weight: float


def filterbank(options: Options, frequencies: int, rate: int) -> list[Filter] | None:
    """The frequencies between the limits; None where the spectrogram ends below the upper one.

    Raises :class:`OperatorError` for a rate of 0 or less."""
    if rate <= 0:
        raise OperatorError(f"expected a rate above 0 Hz, got {rate}.")
    low = mel(options.lower)
    spacing = (mel(options.upper) - low) / (options.bands + 1)
    centers = [low + spacing * (i + 1) for i in range(options.bands + 1)]
    step = 0.5 * rate / (frequencies - 1)
    first, last = int(1.5 + options.lower / step), int(options.upper / step)
    if last >= frequencies:
        return None
    found, above = [], 0
    for frequency in range(first, last + 1):
        here = mel(frequency * step)
        while above < options.bands and centers[above] < here:
            above += 1
        corner = centers[above - 1] if above else low
        found.append(Filter(frequency, above - 1, (centers[above] - here) / (centers[above] - corner)))
    return found


def mfcc(node: Node, input: Array, rate: Array) -> Array:
    options = read_options(node)
    filters = filterbank(options, input.shape[2], int(rate.reshape(-1)[0]))
    if filters is None:
        return np.zeros((*input.shape[:2], options.coefficients), np.float32)
    bands = np.zeros((options.bands, *input.shape[:2]))
    for f in filters:
        magnitude = np.sqrt(input[:, :, f.frequency].astype(np.float64))
        weighted = magnitude * f.weight
        if f.band >= 0:
            bands[f.band] += weighted
        if f.band + 1 < options.bands:
            bands[f.band + 1] += magnitude - weighted
    return _cosines(bands, options)


def _cosines(bands: Array, options: Options) -> Array:
    """The discrete cosine transform of the logarithms, in float32."""
    logarithms = np.log(np.where(bands < FLOOR, FLOOR, bands))
    norm, angle = math.sqrt(2.0 / options.bands), math.pi / options.bands
    sums = np.zeros((*bands.shape[1:], options.coefficients))
    for b, band in enumerate(logarithms):
        sums += band[..., None] * (norm * np.cos(np.arange(options.coefficients) * angle * (b + 0.5)))
    return sums.astype(np.float32)


def case(draw: Draw, definition: Definition) -> Case:
    """Limits inside and outside of the spectrogram, more bands than frequencies."""
    rate, frequencies = draw.choice((16000, 8000, 44100)), draw.choice((129, 2, 17, 65, 257))
    bands = draw.choice((40, 1, 2, 13, 80))
    lower = draw.choice((20, 0, 300, 3000))
    upper = draw.choice((4000, rate // 2, lower + 1, rate // 2 + 100, 3500))
    options = {
        "upper_frequency_limit": max(upper, lower + 1),
        "lower_frequency_limit": lower,
        "filterbank_channel_count": bands,
        "dct_coefficient_count": draw.integer(1, min(bands, 20)),
    }
    input = data((draw.integer(1, 2), draw.integer(1, 4), frequencies), 0, draw.choice((1.0, 1e4, 1e-3)))
    return Case((input, fed([rate], np.int32)), custom_options=encode(options))


MFCC = Op(
    "Mfcc",
    inputs=(activation("input"), parameter("rate")),
    outputs=(activation("output"),),
    definitions=(Definition("float32 int32 -> float32", mfcc, ulp=1),),
    shapes=shapes,
    cases=case,
    custom=True,
)
