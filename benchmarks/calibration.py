"""What calibration costs: memory for many samples against few, and two workers against one.

    python benchmarks/calibration.py

Measured on a small MobileNet-like float network with random weights, 96 x 96 pixels, whose samples are made as they are
asked for. Each measurement is a process of its own. Workers are started and warmed up before the clock runs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

import minilite
from minilite import schema
from minilite.model import Buffer, Model, Operator, OperatorCode, Subgraph, Tensor

SIZE = 96
BLOCKS = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1))
"""Channels and stride of depthwise separable blocks."""

CODES = ("CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED")


class Network:
    """Builds the network, layer upon layer."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.tensors = [Tensor("image", "FLOAT32", (1, SIZE, SIZE, 3))]
        self.buffers = [Buffer()]
        self.operators: list[Operator] = []

    def constant(self, array: np.ndarray) -> int:
        """The index of a new constant."""
        self.buffers.append(Buffer(np.frombuffer(array.tobytes(), np.uint8)))
        name = f"constant{len(self.tensors)}"
        self.tensors.append(Tensor(name, str(array.dtype).upper(), array.shape, buffer=len(self.buffers) - 1))
        return len(self.tensors) - 1

    def weights(self, *shape: int, fan_in: int) -> int:
        """The index of new random weights."""
        return self.constant(self.random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32))

    def layer(self, code: str, inputs: tuple[int, ...], shape: tuple[int, ...], table: str, **options: Any) -> int:
        """The index of a new operator's result."""
        self.tensors.append(Tensor(f"{code.lower()}{len(self.tensors)}", "FLOAT32", shape))
        output = len(self.tensors) - 1
        made = schema.make_options(table, **options)
        self.operators.append(Operator(CODES.index(code), inputs, (output,), made))
        return output

    def convolution(self, x: int, size: int, channels: int, stride: int, depthwise: bool) -> int:
        """A convolution with ReLU6; ``depthwise`` keeps the channels."""
        _, height, width, depth = self.tensors[x].shape or ()
        shape = (1, -(-height // stride), -(-width // stride), channels)
        bias = self.constant(np.zeros(channels, np.float32))
        options = {"padding": "SAME", "stride_w": stride, "stride_h": stride, "fused_activation_function": "RELU6"}
        if depthwise:
            kernel = self.weights(1, size, size, channels, fan_in=size * size)
            return self.layer(
                "DEPTHWISE_CONV_2D", (x, kernel, bias), shape, "DepthwiseConv2DOptions", depth_multiplier=1, **options
            )
        kernel = self.weights(channels, size, size, depth, fan_in=size * size * depth)
        return self.layer("CONV_2D", (x, kernel, bias), shape, "Conv2DOptions", **options)


def network() -> Model:
    """The float network."""
    net = Network()
    x = net.convolution(0, 3, 16, 2, depthwise=False)
    for channels, stride in BLOCKS:
        x = net.convolution(x, 3, (net.tensors[x].shape or ())[3], stride, depthwise=True)
        x = net.convolution(x, 1, channels, 1, depthwise=False)
    axes = net.constant(np.array([1, 2], np.int32))
    x = net.layer("MEAN", (x, axes), (1, 128), "ReducerOptions", keep_dims=False)
    weights, bias = net.weights(10, 128, fan_in=128), net.constant(np.zeros(10, np.float32))
    x = net.layer("FULLY_CONNECTED", (x, weights, bias), (1, 10), "FullyConnectedOptions")
    graph = Subgraph(tuple(net.tensors), (0,), (x,), tuple(net.operators))
    return Model(tuple(OperatorCode(code) for code in CODES), (graph,), tuple(net.buffers))


def images(count: int) -> Callable[[], Iterator[list[np.ndarray]]]:
    """As many random images, made one by one."""

    def each() -> Iterator[list[np.ndarray]]:
        random = np.random.default_rng(1)
        for _ in range(count):
            yield [random.random((1, SIZE, SIZE, 3), np.float32)]

    return each


def measure(method: str, count: int, workers: int) -> dict[str, float]:
    """Seconds of a calibration, and this process's peak memory in MB."""
    warnings.simplefilter("ignore", UserWarning)
    model = network()
    if not workers:
        return _timed(model, method, count, None)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        minilite.calibrate(model, images(64 * workers), method, executor=executor)
        return _timed(model, method, count, executor)


def _timed(model: Model, method: str, count: int, executor: ProcessPoolExecutor | None) -> dict[str, float]:
    start = time.perf_counter()
    minilite.calibrate(model, images(count), method, executor=executor)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_a_process(method: str, count: int, workers: int = 0) -> dict[str, float]:
    """:func:`measure` in a process of its own."""
    command = [sys.executable, __file__, method, str(count), str(workers)]
    figures: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return figures


def main() -> None:
    """Measure and print ratios."""
    for method in ("minmax", "percentile"):
        few, many = (in_a_process(method, count) for count in (100, 10_000))
        ratio = many["megabytes"] / few["megabytes"]
        print(
            f"{method}: 10,000 samples take {many['seconds']:.1f} s and {many['megabytes']:.0f} MB, 100 take "
            f"{few['megabytes']:.0f} MB: {ratio:.2f} times the memory"
        )
        one, two = (in_a_process(method, 25_000, workers) for workers in (1, 2))
        ratio = one["seconds"] / two["seconds"]
        print(f"{method}: one worker {one['seconds']:.1f} s, two {two['seconds']:.1f} s: {ratio:.2f} times as fast")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
