"""The classic tutorial runs as users know it; with LiteRT's import line instead of ours it says the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minilite import demo

SCRIPT = Path(__file__).parent.parent / "docs" / "fashion_mnist_tutorial.py"
OURS = "from minilite import Interpreter\n"
LITERT = "from ai_edge_litert.interpreter import Interpreter\n"


def run(model, importing=OURS, data=()):
    """The script's variables after it ran on one model, with this import line."""
    source = SCRIPT.read_text(encoding="utf-8")
    assert source.count(OURS) == 1
    variables = {"__name__": "__main__"}
    before, sys.argv = sys.argv, [str(SCRIPT), str(model), *map(str, data)]
    try:
        exec(compile(source.replace(OURS, importing), str(SCRIPT), "exec"), variables)
    finally:
        sys.argv = before
    return variables


def full_data():
    """Where the 10,000 images are, if they are."""
    folder = os.environ.get("MINILITE_DATA")
    return Path(folder) / "fashion_mnist.npz" if folder else None


def compare(ours, litert):
    """Integers equal bit for bit; floats, which LiteRT sums in another order by default, within 1e-5."""
    output, expected = ours["output"], litert["output"]
    assert output.dtype == expected.dtype
    assert output.shape == expected.shape
    if output.dtype == np.float32:
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)
    else:
        np.testing.assert_array_equal(output, expected)
    np.testing.assert_array_equal(ours["predictions"], litert["predictions"])
    assert ours["right"] == litert["right"]


def reference_import():
    """LiteRT's class with its reference kernels, which are what minilite computes unless told otherwise."""
    return (
        "from functools import partial\n"
        "from ai_edge_litert.interpreter import Interpreter, OpResolverType\n"
        "Interpreter = partial(Interpreter, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)\n"
    )


def test_the_only_line_that_differs_is_the_import():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    code = lines[next(i for i, line in enumerate(lines[1:], 1) if line.startswith('"""')) + 1 :]
    mentions = [line for line in code if "minilite" in line.lower()]
    assert mentions == [
        OURS.strip(),
        'demo = Path(str(files("minilite.demo")))',
        'if data_path is None and "MINILITE_DATA" in os.environ:',
        '    data_path = Path(os.environ["MINILITE_DATA"]) / "fashion_mnist.npz"',
    ]


def test_as_a_program_on_what_ships():
    environment = {name: value for name, value in os.environ.items() if name != "MINILITE_DATA"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.splitlines() == [
        "fashion_float.tflite: 270 of 300 right, accuracy 90.00%",
        "fashion_int8.tflite: 271 of 300 right, accuracy 90.33%",
    ]


@pytest.mark.parametrize("model", [demo.FLOAT_MODEL, demo.INT8_MODEL], ids=lambda p: p.stem)
def test_the_same_script_with_litert_on_what_ships(model):
    pytest.importorskip("ai_edge_litert")
    compare(run(model, data=[demo.SAMPLES]), run(model, reference_import(), [demo.SAMPLES]))


@pytest.mark.parametrize("model, right", [(demo.FLOAT_MODEL, 9109), (demo.INT8_MODEL, None)], ids=["float", "int8"])
def test_the_same_script_with_litert_on_ten_thousand_images(model, right):
    if full_data() is None:
        pytest.skip("needs fashion_mnist.npz in the folder MINILITE_DATA")
    pytest.importorskip("ai_edge_litert")
    ours = run(model, data=[full_data()])
    assert len(ours["predictions"]) == 10_000
    compare(ours, run(model, reference_import(), [full_data()]))
    default = run(model, LITERT, [full_data()])
    assert abs(ours["right"] - default["right"]) <= 20
    assert right in (None, ours["right"])
