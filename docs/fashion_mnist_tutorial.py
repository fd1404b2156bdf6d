"""The classic tutorial: classify Fashion-MNIST with a .tflite model, float and int8, and count what is right.

    python docs/fashion_mnist_tutorial.py [DATA.npz] [MODEL.tflite ...]

DATA.npz holds `x_test` and `y_test`, as Keras lays Fashion-MNIST out, or `images` and `labels`, as the samples that
ship with minilite. The environment variable MINILITE_DATA may name the folder of `fashion_mnist.npz` instead. Without
either, the 300 shipped samples are used, and without models the two shipped ones. (Those were trained on another split
of the data: they know most of Keras's test images, and do better on them than they should.)

Written for LiteRT, this script would differ in one line, the import below:

    from ai_edge_litert.interpreter import Interpreter
"""

import os
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from minilite import Interpreter

demo = Path(str(files("minilite.demo")))
paths = [Path(argument) for argument in sys.argv[1:]]

# The images: 28 x 28 grey values from 0 to 255, and the class of each.
data_path = next((path for path in paths if path.suffix == ".npz"), None)
if data_path is None and "MINILITE_DATA" in os.environ:
    data_path = Path(os.environ["MINILITE_DATA"]) / "fashion_mnist.npz"
data = np.load(data_path or demo / "fashion_samples.npz")
x_test, y_test = (data["x_test"], data["y_test"]) if "x_test" in data else (data["images"], data["labels"])
images = (x_test / np.float32(255.0)).astype(np.float32)

model_paths = [path for path in paths if path.suffix == ".tflite"]
for model_path in model_paths or [demo / "fashion_float.tflite", demo / "fashion_int8.tflite"]:
    interpreter = Interpreter(model_path=str(model_path))
    input_details = interpreter.get_input_details()[0]
    output_details = interpreter.get_output_details()[0]

    # The file says one image at a time; make it all of them.
    shape = [len(images), *input_details["shape"][1:]]
    interpreter.resize_tensor_input(input_details["index"], shape)
    interpreter.allocate_tensors()

    # A quantized model wants integers: real = scale * (q - zero_point), solved for q.
    batch = images.reshape(shape)
    if input_details["dtype"] != np.float32:
        scale, zero_point = input_details["quantization"]
        limits = np.iinfo(input_details["dtype"])
        quantized = np.round(batch / scale + zero_point)
        batch = np.clip(quantized, limits.min, limits.max).astype(input_details["dtype"])

    interpreter.set_tensor(input_details["index"], batch)
    interpreter.invoke()
    output = interpreter.get_tensor(output_details["index"])

    predictions = output.argmax(axis=1)
    right = int((predictions == y_test).sum())
    print(f"{model_path.name}: {right} of {len(y_test)} right, accuracy {right / len(y_test):.2%}")
