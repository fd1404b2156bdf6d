"""Train small networks of other kinds than image networks, to see what quantizers do with them.

    PYTHONPATH=. python benchmarks/train_unusual.py [FOLDER] [--output FOLDER] [--epochs N] [--only NAME ...]

FOLDER holds `fashion_mnist.npz`, as for train_demo.py. Each network reads an image as a sequence of 28 rows:

    lstm        an LSTM over the rows (UNIDIRECTIONAL_SEQUENCE_LSTM)
    gru         a GRU, unrolled, on every fourth row and its neighbours
    attention   two heads of self-attention with residuals and layer normalization
    gated       convolutions with squeeze-and-excitation gates, swish and residuals

Written: NAME.tflite, float32, batch 1, into tests/data/networks unless told otherwise. Needs TensorFlow; about ten
minutes on one core. Seeds make two runs on one machine write the same weights.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from train_demo import load

from minilite.model import Model, OperatorCode
from tests.small_models import Builder, operator

SEED = 21
OUTPUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "networks"
layers = tf.keras.layers
Tensor = tf.Tensor


def lstm(x: Tensor) -> Tensor:
    return layers.Dense(10)(layers.LSTM(32)(x))


def gru(x: Tensor) -> Tensor:
    x = layers.Reshape((7, 112))(x)
    return layers.Dense(10)(layers.GRU(32, unroll=True, reset_after=False)(x))


def attention(x: Tensor) -> Tensor:
    x = layers.Dense(32)(x)
    x = layers.Add()([x, layers.Embedding(28, 32)(tf.range(28)[tf.newaxis])])
    for _ in range(2):
        x = layers.Add()([x, layers.MultiHeadAttention(2, 16)(x, x)])
        x = layers.LayerNormalization(epsilon=1e-3)(x)
        y = layers.Dense(32)(layers.Dense(48, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-3)(layers.Add()([x, y]))
    return layers.Dense(10)(layers.GlobalAveragePooling1D()(x))


def gated(x: Tensor) -> Tensor:
    def swish(x: Tensor) -> Tensor:
        return layers.Activation("swish")(layers.BatchNormalization()(x))

    x = layers.Reshape((28, 28, 1))(x)
    x = swish(layers.Conv2D(16, 3, 2, "same", use_bias=False)(x))
    for _ in range(2):
        y = swish(layers.Conv2D(32, 1, use_bias=False)(x))
        y = swish(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(32, 1, activation="sigmoid")(layers.Conv2D(8, 1, activation="swish")(gate))
        y = layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(layers.Multiply()([y, gate])))
        x = layers.Add()([x, y])
    return layers.Dense(10)(layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2)(x)))


NETWORKS = {f.__name__: f for f in (lstm, gru, attention, gated)}


def train(name: str, data: tuple[np.ndarray, ...], epochs: int) -> tf.keras.Model:
    """A trained network of logits, with an input of shape (batch, 28, 28)."""
    tf.keras.utils.set_random_seed(SEED)
    x_train, y_train, x_test, y_test = data
    source = layers.Input((28, 28))
    model = tf.keras.Model(source, NETWORKS[name](source))
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(x_train) // 256)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x_train, y_train, 256, epochs, verbose=2)
    print(name, model.evaluate(x_test, y_test, 1000, verbose=0))
    return model


def written_lstm(model: tf.keras.Model) -> bytes:
    """The LSTM and the layer behind it, written down operator by operator: Keras 3 lets no converter see the LSTM.

    Keras has the gates in the order input, forget, cell, output, each a column of the kernels."""
    kernel, recurrent, bias, head, head_bias = (np.asarray(w, np.float32) for w in model.get_weights())
    units = len(recurrent)
    b = Builder()
    source = b.tensor("rows", (1, 28, 28))
    parts = {"input": kernel, "recurrent": recurrent, "bias": bias}
    gates = {name: np.split(values.T if values.ndim == 2 else values, 4) for name, values in parts.items()}
    operands = [source]
    for name in ("input", "recurrent"):
        operands += [b.constant(f"{name}_to_{gate}", gates[name][i].copy()) for i, gate in enumerate("ifco")]
    operands += [-1] * 3 + [b.constant(f"bias_{gate}", gates["bias"][i].copy()) for i, gate in enumerate("ifco")]
    operands += [-1] * 2 + [b.tensor(name, (1, units), is_variable=True) for name in ("output_state", "cell_state")]
    operands += [-1] * 4
    states = b.tensor("lstm", (1, 28, units))
    last = b.tensor("last", (1, units))
    logits = b.tensor("logits", (1, 10))
    slice_ = [
        b.constant(f"slice_{i}", np.array(v, np.int32)) for i, v in enumerate(([0, 27, 0], [1, 28, units], [1, 1, 1]))
    ]
    weights, zeros = b.constant("head", head.T.copy()), b.constant("head_bias", head_bias)
    graph = b.subgraph(
        (source,),
        (logits,),
        operator(0, tuple(operands), (states,), "UnidirectionalSequenceLSTMOptions", fused_activation_function="TANH"),
        operator(1, (states, *slice_), (last,), "StridedSliceOptions", begin_mask=5, end_mask=5, shrink_axis_mask=2),
        operator(2, (last, weights, zeros), (logits,), "FullyConnectedOptions"),
    )
    codes = ("UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "FULLY_CONNECTED")
    return Model(tuple(map(OperatorCode, codes)), (graph,), tuple(b.buffers)).to_bytes()


def converted(model: tf.keras.Model) -> bytes:
    """The network as a float .tflite of batch 1."""
    source = layers.Input((28, 28), batch_size=1)
    fixed = tf.keras.Model(source, model(source))
    with tempfile.TemporaryDirectory() as folder:
        fixed.export(folder, verbose=False)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    x_train, y_train, x_test, y_test = load(arguments.folder)
    data = x_train / np.float32(255), y_train, x_test / np.float32(255), y_test
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        model = train(name, data, arguments.epochs)
        content = written_lstm(model) if name == "lstm" else converted(model)
        (arguments.output / f"{name}.tflite").write_bytes(content)
        print(name, len(content), "bytes")


if __name__ == "__main__":
    main()
