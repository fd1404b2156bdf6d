"""Where there is nothing but Python and NumPy (a browser, say): reading, computing, quantizing and explaining start no
threads and no processes, and need no module that Pyodide 314 has not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent
SCRIPT = """
import os, pathlib, subprocess, sys, threading
ABSENT = {"numba", "llvmlite", "_multiprocessing", "resource"}
import numpy as np  # itself it may use what it likes
for name in [name for name in sys.modules if name.split(".")[0] in ABSENT]:
    del sys.modules[name]

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ImportError(f"{name} is not here", name=name)

def refuse(*args, **options):
    raise RuntimeError("can't start new thread, nor process")

sys.meta_path.insert(0, Refuse())
threading.Thread.start = subprocess.Popen.__init__ = os.fork = refuse
import minilite
content = pathlib.Path(sys.argv[1]).read_bytes()
float_model = minilite.read(sys.argv[2])
pictures = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
interpreter = minilite.Interpreter(model_content=content)
print(interpreter)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.zeros((1, 28, 28, 1), np.int8))
interpreter.invoke()
small = minilite.quantize(float_model, "int8", pictures)
assert minilite.read(small.to_bytes()) == small
minilite.run(small, np.zeros((1, 28, 28, 1), np.int8))
print(minilite.explain(small, 0))
print(minilite.compare(float_model, small, pictures))
"""


def test_nothing_but_numpy_is_needed() -> None:
    demo = FOLDER / "minilite" / "demo"
    command = [sys.executable, "-c", SCRIPT, str(demo / "fashion_int8.tflite"), str(demo / "fashion_float.tflite")]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "engine='numpy'" in done.stdout
