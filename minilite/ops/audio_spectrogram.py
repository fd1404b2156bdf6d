"""AudioSpectrogram: how loud each frequency is, window by window.

    x[k] = input[row * stride + k, channel] * (1/2 - cos(2 * pi * k / window_size) / 2)      for k < window_size
    output[channel, row, f] = |sum over k of x[k] * exp(-2 * pi * i * f * k / length)| ** 2

input [samples, channels], output [channels, rows, length / 2 + 1]; length is the power of two that window_size fits in,
rows = (samples - window_size) / stride + 1, or 0 where no window fits. The root is taken unless magnitude_squared.

Options, a flexbuffer: window_size (2 or more), stride, magnitude_squared. The transform is computed in float64; squares
are rounded to float32 and roots of them taken in float32. Where terms cancel, what is left depends on the order of the
transform's sums.

Source: Cooley and Tukey 1965, "An algorithm for the machine calculation of complex Fourier series"; TensorFlow Lite's
audio_spectrogram.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minilite.cases import Case, Draw, boolean, data, fed
from minilite.flexbuffers import encode
from minilite.ops.custom_options import options_map, whole
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
LARGEST = 1 << 24
"""Samples of a window."""


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    input.need(input.rank == 2, "2 dimensions [samples, channels]", input.shape)
    options = options_map(node)
    size, stride = whole(node, options, "window_size", 2, LARGEST), whole(node, options, "stride", 1)
    samples, channels = input.shape
    rows = (samples - size) // stride + 1 if samples >= size else 0
    return ((channels, rows, _length(size) // 2 + 1),)


def _length(size: int) -> int:
    """The power of two that is ``size`` or more."""
    return 1 << (size - 1).bit_length()


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> tuple[Array, int, bool, Shape]:
    options = options_map(node)
    size, stride = whole(node, options, "window_size", 2, LARGEST), whole(node, options, "stride", 1)
    points = np.arange(size if 0 not in output.shape else 0)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * points / size)
    return hann, stride, whole(node, options, "magnitude_squared", -(2**31)) != 0, output.shape


def spectrogram(prepared: tuple[Array, int, bool, Shape], input: Array) -> Array:
    hann, stride, squared, shape = prepared
    if 0 in shape:
        return np.zeros(shape, np.float32)
    windows = sliding_window_view(input.T.astype(np.float64), hann.size, axis=1)[:, ::stride]
    output = np.empty(shape, np.float32)
    for row in range(shape[1]):  # one at a time: all of them may be much larger than input and output
        found = np.fft.rfft(windows[:, row] * hann, _length(hann.size))
        output[:, row] = found.real * found.real + found.imag * found.imag
    return output if squared else np.sqrt(output)


def case(draw: Draw, definition: Definition) -> Case:
    """Windows of every size, more and fewer samples than they need; noise, and tones that leave other bins empty."""
    size = draw.choice((16, 2, 3, 8, 20, 33, 64, 100, 256))
    samples = draw.choice((size, size - 1, size + draw.integer(0, 100), 1))
    options = {"window_size": size, "stride": draw.integer(1, 40), "magnitude_squared": boolean(draw)}
    shape = (samples, draw.integer(1, 3))
    steady = np.cos(np.arange(samples)[:, None] * np.pi / draw.choice((4, 1000)) + np.zeros(shape[1]))
    return Case((draw.choice((data(shape), data(shape), fed(steady))),), custom_options=encode(options))


AUDIO_SPECTROGRAM = Op(
    "AudioSpectrogram",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(Definition("float32 -> float32", spectrogram, prepare=prepare, ulp=1, atol=1e-13),),
    shapes=shapes,
    cases=case,
    custom=True,
)
