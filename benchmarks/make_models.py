"""Writes the networks that ``benchmarks/speed.py`` runs. Needs the extra ``tensorflow``.

    python benchmarks/make_models.py models/

Keras' architectures with fixed random weights: no training, nothing to download. Batch-norm statistics are set from the
data the network is shown, so that the signal neither dies nor explodes, and networks end in logits. Each is written as
float32 and as int8 with int8 inputs and outputs; where tf2onnx is installed, the float32 ones as .onnx as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # its log level is read when it is imported

keras = tf.keras


def _image(size: int, build: Callable[..., Any], **arguments: Any) -> Callable[[], Any]:
    def make() -> Any:
        shape = (size, size, 3)
        return build(weights=None, input_shape=shape, classifier_activation=None, **arguments)

    return make


def lstm() -> Any:
    """Two layers over 24 frames of 40 features, unrolled: TensorFlow cannot quantize a loop."""
    inputs = keras.Input((24, 40))
    x = keras.layers.LSTM(64, return_sequences=True, unroll=True)(inputs)
    x = keras.layers.LSTM(64, unroll=True)(x)
    return keras.Model(inputs, keras.layers.Dense(12)(x))


def transformer() -> Any:
    """Two blocks of attention over 64 places of 128 features."""
    inputs = x = keras.Input((64, 128))
    for _ in range(2):
        y = keras.layers.LayerNormalization()(x)
        x = x + keras.layers.MultiHeadAttention(4, 32)(y, y)
        y = keras.layers.Dense(256, activation="gelu")(keras.layers.LayerNormalization()(x))
        x = x + keras.layers.Dense(128)(y)
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling1D()(x)))


applications = keras.applications
NETWORKS: dict[str, Callable[[], Any]] = {
    "mobilenet_v1_025": _image(224, applications.MobileNet, alpha=0.25, dropout=0.0),
    "mobilenet_v2": _image(224, applications.MobileNetV2),
    "mobilenet_v3_small": _image(224, applications.MobileNetV3Small, include_preprocessing=False, dropout_rate=0.0),
    "efficientnet_b0": _image(224, applications.EfficientNetB0),
    "resnet50": _image(224, applications.ResNet50),
    "lstm": lstm,
    "transformer": transformer,
}


def samples(model: Any, count: int) -> Iterator[np.ndarray]:
    """Smooth random images, between -1 and 1."""
    rng = np.random.default_rng(1)
    shape = model.input_shape[1:]
    for _ in range(count):
        coarse = rng.normal(size=(1, *(max(2, s // 16) for s in shape[:-1]), shape[-1]))
        smooth = (
            tf.image.resize(coarse, shape[:2]) if len(shape) == 3 else tf.cast(rng.normal(size=(1, *shape)), tf.float32)
        )
        yield np.tanh(np.asarray(smooth, np.float32))


def settle(model: Any) -> None:
    """Set batch-norm statistics to those of the data."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.momentum = 0.5
    batch = np.concatenate(list(samples(model, 8)))
    for _ in range(8 if layers else 0):
        model(batch, training=True)


def convert(model: Any, int8: bool) -> bytes:
    """The model as a .tflite file, of batch 1."""
    with tempfile.TemporaryDirectory() as folder:
        signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32")]
        model.export(folder, verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([x] for x in samples(model, 8))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def write_onnx(model: Any, file: Path) -> None:
    """The float32 model for onnxruntime."""
    if importlib.util.find_spec("tf2onnx") is None:
        return
    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="x")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    importlib.import_module("tf2onnx").convert.from_function(
        function, input_signature=signature, opset=17, output_path=str(file)
    )


def main() -> None:
    """Write what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        files = {kind: arguments.folder / f"{name}_{kind}.tflite" for kind in ("float", "int8")}
        if all(file.exists() for file in files.values()):
            continue
        keras.utils.set_random_seed(7)
        model = NETWORKS[name]()
        settle(model)
        write_onnx(model, arguments.folder / f"{name}_float.onnx")
        for kind, file in files.items():
            try:
                file.write_bytes(convert(model, kind == "int8"))
                print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
            except Exception as error:  # one that cannot be converted leaves the others
                print(f"{file}: {type(error).__name__}: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
