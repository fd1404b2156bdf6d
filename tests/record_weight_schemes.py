"""What TFLiteConverter makes of small networks without data, recorded: ``tests/data/weight_schemes.npz``.

    python -m tests.record_weight_schemes

needs tensorflow 2.21. Each network is stored as three .tflite files: float, dynamic and float16. Weights have seven
binary digits, so that many lie half way between two int8 values: that tells apart formulas that differ in a last bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RECORDED = Path(__file__).parent / "data" / "weight_schemes.npz"


def recorded(network: str, scheme: str) -> bytes:
    """One of the files: ``float``, ``dynamic`` or ``float16``."""
    with np.load(RECORDED) as files:
        return files[f"{network}/{scheme}"].tobytes()


def networks() -> list[str]:
    """Their names."""
    with np.load(RECORDED) as files:
        return sorted({name.partition("/")[0] for name in files.files})


def _functions(tf: Any) -> dict[str, tuple[Any, ...]]:
    random = np.random.default_rng(7)

    def n(*shape: int) -> np.ndarray:
        values = random.normal(size=shape).astype(np.float32)
        return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)

    f, i = tf.float32, tf.int32
    dense, small, bias = n(33, 32), n(33, 31), n(32)
    left, adjoint = n(2, 32, 16), n(2, 16, 32)
    filters, depthwise, up = n(3, 3, 4, 32), n(3, 3, 48, 3), n(3, 3, 16, 8)
    table, shared = n(86, 12), n(32, 32)
    scale, long, one, two = n(1, 1100), n(1100, 2), n(1, 1030), n(1, 1032)
    extremes = np.array([1e-9, -1e5, 65519, 65520, 3.3, 6e-8, 2.9e-8, 1 / 3], np.float32)
    return {
        "matmul": (lambda x: tf.nn.relu(tf.matmul(x, dense) + bias), ((1, 33), f)),
        "matmul_1023": (lambda x: tf.matmul(x, small), ((1, 33), f)),
        "batch_matmul": (lambda x: tf.matmul(x, left), ((2, 5, 32), f)),
        "batch_matmul_adjoint": (lambda x: tf.matmul(x, adjoint, transpose_b=True), ((2, 5, 32), f)),
        "conv": (lambda x: tf.nn.conv2d(x, filters, 1, "SAME") + bias, ((1, 6, 6, 4), f)),
        "depthwise": (lambda x: tf.nn.depthwise_conv2d(x, depthwise, [1] * 4, "SAME"), ((1, 6, 6, 48), f)),
        "transpose_conv": (lambda x: tf.nn.conv2d_transpose(x, up, (1, 8, 8, 16), 2, "SAME"), ((1, 4, 4, 8), f)),
        "gather": (lambda k: tf.gather(table, k) * 2.0, ((3,), i)),
        "shared": (
            lambda k, x: (tf.gather(shared, k), tf.matmul(x, shared, transpose_b=True)),
            ((3,), i),
            ((2, 32), f),
        ),
        "constants": (lambda x: tf.concat([tf.matmul(x * scale, long), one], 1) + two, ((1, 1100), f)),
        "extremes": (lambda x: x * np.float32(1e6) + extremes, ((8,), f)),
        "lstm": (_lstm(tf, n(8, 128) / 4, n(32, 128) / 8, bias), ((1, 5, 8), f)),
    }


def _lstm(tf: Any, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> Callable[..., Any]:
    """A WHILE whose body has weights."""

    def step(k: Any, x: Any, h: Any, c: Any) -> Any:
        a, b, d, e = tf.split(tf.matmul(x[:, k], kernel) + tf.matmul(h, recurrent), 4, axis=1)
        c = tf.sigmoid(b) * c + tf.sigmoid(a) * tf.tanh(d + bias)
        return k + 1, x, tf.sigmoid(e) * tf.tanh(c), c

    def run(x: Any) -> Any:
        zeros = tf.zeros((1, 32))
        return tf.while_loop(lambda k, *_: k < 5, step, (tf.constant(0), x, zeros, zeros))[2]

    return run


def _convert(tf: Any, function: Any, scheme: str) -> np.ndarray:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if scheme != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return np.frombuffer(converter.convert(), np.uint8)


def main() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf  # type: ignore[import-not-found]  # not among the tests' dependencies

    found = {}
    for name, (function, *inputs) in _functions(tf).items():
        specs = [tf.TensorSpec(shape, dtype) for shape, dtype in inputs]
        concrete = tf.function(function).get_concrete_function(*specs)
        for scheme in ("float", "dynamic", "float16"):
            found[f"{name}/{scheme}"] = _convert(tf, concrete, scheme)
    RECORDED.parent.mkdir(exist_ok=True)
    np.savez_compressed(RECORDED, **found)  # type: ignore[arg-type]  # NumPy's stub wants the names spelt out


if __name__ == "__main__":
    main()
