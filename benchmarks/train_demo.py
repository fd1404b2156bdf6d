"""Train the small network that `minilite demo` shows, and write the files of `minilite/demo/`.

    python benchmarks/train_demo.py [FOLDER] [--output FOLDER] [--epochs N]

FOLDER holds `fashion_mnist.npz` (x_train, y_train, x_test, y_test, as Keras lays it out); without it the environment
variable MINILITE_DATA names the folder, and without that Keras downloads the data. Needs TensorFlow
(`pip install tensorflow-cpu`) and about four minutes.

Written: `fashion_float.tflite`, `fashion_int8.tflite` (TFLiteConverter, post-training, int8 in and out, ranges from
the first 300 training images) and `fashion_samples.npz`, the first 300 of x_test in their own order, so that nothing
is picked. The batch dimension is free in both models.

Seeds, deterministic kernels and a single thread make two runs on one machine write the same bytes; another processor
or TensorFlow version changes the last digits. The files in the package came from tensorflow-cpu 2.21.0 on x86-64 and
classify 91.09 % (float32) and 90.91 % (int8) of 10,000 images they never saw. Those were held out of a random split of
all 70,000 images. Fashion-MNIST's own test set is therefore no fair test of the shipped models, most of it having been
trained on; train anew from Keras's data for figures to compare with published ones.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SEED = 20
SAMPLES = 300
DEMO = Path(__file__).resolve().parent.parent / "minilite" / "demo"


def load(folder: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x_train, y_train, x_test, y_test: uint8 images (n, 28, 28) and labels (n,)."""
    folder = folder or os.environ.get("MINILITE_DATA")
    if folder is None:
        (x_train, y_train), (x_test, y_test) = tf.keras.datasets.fashion_mnist.load_data()
        return x_train, y_train, x_test, y_test
    with np.load(Path(folder) / "fashion_mnist.npz") as data:
        return data["x_train"], data["y_train"], data["x_test"], data["y_test"]


def scaled(images: np.ndarray) -> np.ndarray:
    """uint8 (n, 28, 28) to float32 (n, 28, 28, 1) in [0, 1]."""
    return (images / np.float32(255)).astype(np.float32)[..., np.newaxis]


def network() -> tf.keras.Model:
    """A convolution, two depthwise separable blocks (the second residual), a mean over the image and ten classes."""
    layers = tf.keras.layers

    def block(x: tf.Tensor, filters: int, number: int) -> tf.Tensor:
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"depthwise_{number}")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, use_bias=False, name=f"pointwise_{number}")(x)
        return layers.BatchNormalization()(x)

    image = layers.Input((28, 28, 1))
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.ReLU()(block(x, 64, number=1))
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.ReLU(name="sum")(layers.Add()([x, block(x, 64, number=2)]))
    x = layers.Conv2D(32, 3, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return tf.keras.Model(image, layers.Dense(10, activation="softmax", name="classes")(x), name="fashion")


def train(model: tf.keras.Model, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Adam with a rate that falls to zero along a cosine."""
    batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=SEED).batch(128, drop_remainder=True)
    rate = tf.keras.optimizers.schedules.CosineDecay(4e-3, epochs * len(batches))
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(batches, epochs=epochs, verbose=2)


def convert(model: tf.keras.Model, representative: np.ndarray) -> tuple[bytes, bytes]:
    """The float32 and the full int8 model, both with the signature `image -> probabilities`."""

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, name="image")])
    def trained(image: tf.Tensor) -> tf.Tensor:
        return model(image, training=False)

    # Weights must be constants: the converter's calibrator cannot read variables.
    frozen = convert_variables_to_constants_v2(trained.get_concrete_function())

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, name="image")])
    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": frozen(image)[0]}

    def images() -> Iterator[list[np.ndarray]]:
        for image in representative:
            yield [image[np.newaxis]]

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": classify})
        float_model = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return float_model, converter.convert()


def accuracy(content: bytes, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of images classified rightly, all in one batch, by TensorFlow's own interpreter."""
    interpreter = tf.lite.Interpreter(model_content=content)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], images.shape)
    interpreter.allocate_tensors()
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        images = np.round(images / scale + zero_point).astype(source["dtype"])
    interpreter.set_tensor(source["index"], images)
    interpreter.invoke()
    return float(np.mean(interpreter.get_tensor(result["index"]).argmax(axis=-1) == labels))


def main() -> None:
    """Train, convert, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="folder with fashion_mnist.npz")
    parser.add_argument("--output", type=Path, default=DEMO, help="where to write (default: minilite/demo)")
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()

    x_train, y_train, x_test, y_test = load(arguments.folder)
    model = network()
    train(model, scaled(x_train), y_train, arguments.epochs)
    float_model, int8_model = convert(model, scaled(x_train[:SAMPLES]))

    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, content in (("fashion_float.tflite", float_model), ("fashion_int8.tflite", int8_model)):
        (arguments.output / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, {accuracy(content, scaled(x_test), y_test):.2%} of x_test")
    np.savez_compressed(arguments.output / "fashion_samples.npz", images=x_test[:SAMPLES], labels=y_test[:SAMPLES])


if __name__ == "__main__":
    main()
