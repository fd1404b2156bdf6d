"""The command line: what it prints, what it exits with, and that no failure is a traceback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

import minilite
from minilite import demo
from minilite.archives import save_arrays
from minilite.commands import run as run_command
from minilite.model import Buffer, Model, Operator, OperatorCode, Quantization, Signature, Subgraph, Tensor
from minilite.schema import make_options

INT8 = Quantization(np.float32([0.5]), np.int64([3]))


def sum_model(type_="FLOAT32", quantization=None, signatures=0, name="sum"):
    """Two inputs ``a`` and ``b`` of shape (2, 3), one output: their sum."""
    a, b, c = (Tensor(n, type_, (2, 3), quantization=quantization) for n in ("a", "b", name))
    operator = Operator(0, (0, 1), (2,), make_options("AddOptions"))
    keys = [f"way_{i}" for i in range(signatures)]
    return Model(
        (OperatorCode("ADD", 2),),
        (Subgraph((a, b, c), (0, 1), (2,), (operator,)),),
        (Buffer(),),
        tuple(Signature(key, (("left", 0), ("right", 1)), (("total", 2),)) for key in keys),
    )


@pytest.fixture
def folder(tmp_path):
    sum_model().save(tmp_path / "float.tflite")
    sum_model("INT8", INT8).save(tmp_path / "int8.tflite")
    sum_model(signatures=1).save(tmp_path / "signature.tflite")
    sum_model(signatures=2).save(tmp_path / "signatures.tflite")
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    np.save(tmp_path / "b.npy", np.full((2, 3), 10, np.float32))
    return tmp_path


def saved(path):
    with np.load(path) as arrays:
        return dict(arrays)


# ---- as a program --------------------------------------------------------------------------------------------------


def program(*arguments):
    return subprocess.run([sys.executable, "-m", "minilite", *map(str, arguments)], capture_output=True, text=True)


def test_the_program_itself():
    result = program("--version")
    assert (result.returncode, result.stdout.strip()) == (0, f"minilite {minilite.__version__}")
    result = program("inspect", demo.INT8_MODEL, "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["bytes"] == demo.INT8_MODEL.stat().st_size
    result = program("inspect", __file__)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("minilite: The model is not a valid Flatbuffer buffer")
    assert "Traceback" not in result.stderr


def test_help_loads_neither_a_compiler_nor_another_runtime():
    code = (
        "import sys, minilite.cli; sys.exit(any(m in sys.modules for m in ('numba', 'tensorflow', 'ai_edge_litert')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    for command in ("inspect", "run", "demo"):
        assert command in program("--help").stdout


@pytest.mark.parametrize("form", ["--tensors", "--json"])
def test_a_reader_that_stops_reading_gets_no_complaint(form):
    command = [sys.executable, "-m", "minilite", "inspect", str(demo.INT8_MODEL), form]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


def test_an_interrupt_ends_quietly(call, monkeypatch, folder):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_command, "run_files", interrupted)
    assert call("run", folder / "float.tflite", "--random") == (130, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("module", ["minilite.cli", "numpy", "typer", "rich.console", "minilite.interpreter.session"])
def test_an_interrupt_at_the_beginning_ends_quietly(module):
    """The process interrupts itself when a module is about to be imported."""
    code = """
import runpy, signal, sys

wanted, sys.argv[1] = sys.argv[1], "demo"

class Interrupting:
    def find_spec(name, *_):
        if name == wanted:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
runpy.run_module("minilite", run_name="__main__", alter_sys=True)
"""
    result = subprocess.run([sys.executable, "-c", code, module], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("", "")
    assert result.returncode in (130, -signal.SIGINT)


# ---- without Numba -------------------------------------------------------------------------------------------------


@pytest.fixture
def no_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)


@pytest.mark.usefixtures("no_numba")
def test_profile_measures_what_there_is(call):
    status, out, _ = call("profile", demo.INT8_MODEL, "--repeat", 1)
    assert status == 0
    assert "CONV_2D" in out
    assert "numba" not in out
    status, _, err = call("profile", demo.INT8_MODEL, "--engine", "numba")
    assert status == 2
    assert "cannot be used" in err


def test_profile_compiles_where_it_can(call):
    pytest.importorskip("numba")
    status, out, _ = call("profile", demo.INT8_MODEL, "--repeat", 1)
    assert status == 0
    assert "numba" in out


@pytest.mark.usefixtures("no_numba")
def test_warmup_says_what_it_needs(call):
    status, out, err = call("warmup")
    assert (status, out) == (1, "")
    assert err.startswith("minilite: engine 'numba' cannot be used")


def test_warmup_with_a_disabled_compiler(call, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    status, out, err = call("warmup")
    assert (status, out) == (1, "")
    assert "NUMBA_DISABLE_JIT" in err


# ---- wrong usage is 2, failure is 1 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, says",
    [
        ((), None),
        (("nonsense",), "nonsense"),
        (("inspect",), "MODEL"),
        (("inspect", "missing.tflite"), "missing.tflite"),
        (("inspect", "."), "directory"),
        (("run", "float.tflite"), "--random"),
        (("run", "float.tflite", "--random", "--kernels", "fast"), "reference"),
        (("run", "float.tflite", "--random", "--engine", "fast"), "numpy"),
        (("run", "float.tflite", "--random", "--seed", "-1"), "seed"),
        (("run", "float.tflite", "--random", "--output", "out.npy"), ".npz"),
        (("demo", "--engine", "fast"), "numpy"),
    ],
)
def test_wrong_usage(call, folder, monkeypatch, arguments, says):
    monkeypatch.chdir(folder)
    status, out, err = call(*arguments)
    assert status == 2
    assert says is None or says in err
    assert says is None or not out


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("inspect", "empty.tflite"), "empty file"),
        (("inspect", "a.npy"), "TFL3"),
        (("run", "a.npy", "--random"), "TFL3"),
        (("run", "float.tflite", "-i", "a.npy"), "no file for input 'b'"),
        (
            ("run", "float.tflite", "-i", "a.npy", "-i", "b.npy", "-i", "a.npy"),
            "more files than inputs; the model has: a; b",
        ),
        (("run", "float.tflite", "-i", "c=a.npy", "--random"), "no input is called 'c'"),
        (("run", "float.tflite", "-i", "a=a.npy", "-i", "a=b.npy"), "twice"),
        (("run", "float.tflite", "-i", "nowhere.npy", "--random"), "nowhere.npy"),
        (("run", "float.tflite", "-i", "nowhere.npz", "--random"), "nowhere.npz"),
        (("run", "float.tflite", "-i", "empty.tflite", "--random"), "empty.tflite"),
        (("run", "float.tflite", "-i", "a=pair.npz", "--random"), "several arrays"),
        (("run", "float.tflite", "-i", "objects.npy", "--random"), "objects.npy"),
        (("run", "int8.tflite", "-i", "a.npy", "--random"), "expected INT8, got float32"),
        (("run", "signatures.tflite", "--random"), "--signature: way_0, way_1"),
        (("run", "signature.tflite", "--random", "--signature", "other"), "other"),
        (("run", "float.tflite", "--random", "-o", "no/such/folder.npz"), "folder"),
        (("demo", "--save", "a.npy"), "a.npy"),
    ],
)
def test_failures(call, folder, monkeypatch, arguments, says):
    monkeypatch.chdir(folder)
    (folder / "empty.tflite").touch()
    np.save(folder / "objects.npy", np.array([{}], object))
    np.savez(folder / "pair.npz", a=np.zeros(1), b=np.zeros(1))
    status, _, err = call(*arguments)
    assert status == 1
    assert err.startswith("minilite: ")
    assert says in err


# ---- inspect -------------------------------------------------------------------------------------------------------


def test_inspect_shows_the_model(call):
    status, out, err = call("inspect", demo.INT8_MODEL)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"fashion_int8.tflite: {demo.INT8_MODEL.stat().st_size:,} bytes, schema version 3")
    assert lines[lines.index("Inputs") + 1].endswith(
        "INT8 [-1, 28, 28, 1]  serving_default_image:0  scale 0.00392157, zero point -128"
    )
    assert "  serving_default: image -> probabilities" in lines
    assert not any(line.startswith("Tensors") for line in lines)


def test_inspect_lists_operators_and_tensors(call):
    _, out, _ = call("inspect", demo.INT8_MODEL, "--operators", "--tensors")
    graph = minilite.read(demo.INT8_MODEL).subgraphs[0]
    operators = out.split("\nOperators\n")[1].split("\nTensors\n")[0].splitlines()
    tensors = out.split("\nTensors\n")[1].splitlines()
    assert len(operators) == 2 * len(graph.operators)
    assert len(tensors) == 2 * len(graph.tensors)
    assert operators[1].strip().startswith("padding SAME, stride_w 2, stride_h 2, fused_activation_function RELU")
    assert [line.strip() for line in tensors[1::2]] == [tensor.name for tensor in graph.tensors]


def test_inspect_json_is_complete(call):
    _, out, _ = call("inspect", demo.FLOAT_MODEL, "--json")
    content = json.loads(out)
    graph = minilite.read(demo.FLOAT_MODEL).subgraphs[0]
    assert content["file"] == str(demo.FLOAT_MODEL)
    assert len(content["subgraphs"][0]["tensors"]) == len(graph.tensors)
    assert content["subgraphs"][0]["operators"][0]["options"]["stride_w"] == 2


def test_names_that_look_like_markup_are_printed_as_they_are(call, tmp_path):
    sum_model(name="[bold]x[/bold] [/] :smile:").save(tmp_path / "m.tflite")
    _, out, _ = call("inspect", tmp_path / "m.tflite")
    assert "[bold]x[/bold] [/] :smile:" in out


# ---- run -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "a.npy", "-i", "b.npy"),
        ("--input", "b=b.npy", "--input", "a=a.npy"),
        ("-i", "b=b.npy", "-i", "a.npy"),
        ("-i", "both.npz"),
    ],
)
def test_run_on_files(call, folder, monkeypatch, arguments):
    monkeypatch.chdir(folder)
    a, b = np.load("a.npy"), np.load("b.npy")
    np.savez("both.npz", b=b, a=a)
    status, out, _ = call("run", "float.tflite", *arguments, "--output", "out.npz")
    assert status == 0
    assert out.splitlines()[0] == "sum  float32 [2, 3]"
    assert out.splitlines()[2].split()[:5] == ["stored", "10", "15", "12.5", "10"]
    np.testing.assert_array_equal(saved("out.npz")["sum"], a + b)


def test_run_a_file_whose_name_has_an_equals_sign(call, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "a.npy").rename("x=1.npy")
    assert call("run", "float.tflite", "-i", "x=1.npy", "-i", "b=b.npy")[0] == 0


@pytest.mark.parametrize("options", [(), ("--signature", "way_1")])
def test_run_a_signature(call, folder, monkeypatch, options):
    monkeypatch.chdir(folder)
    model = "signatures.tflite" if options else "signature.tflite"
    status, out, _ = call("run", model, "-i", "right=b.npy", "-i", "a=a.npy", "-o", "out.npz", *options)
    assert (status, out.splitlines()[0]) == (0, "total  float32 [2, 3]")
    np.testing.assert_array_equal(saved("out.npz")["total"], np.load("a.npy") + np.load("b.npy"))


def test_run_at_another_shape(call, folder, monkeypatch):
    monkeypatch.chdir(folder)
    np.save("large.npy", np.ones((7, 3), np.float32))
    status, out, _ = call("run", "float.tflite", "-i", "large.npy", "-i", "large.npy")
    assert (status, out.splitlines()[0]) == (0, "sum  float32 [7, 3]")


def test_random_inputs_follow_the_seed(call, folder, monkeypatch):
    monkeypatch.chdir(folder)
    first, again, other = (
        call("run", "int8.tflite", "--random", "--seed", seed, "-o", f"{i}.npz") for i, seed in enumerate((1, 1, 2))
    )
    assert first == again != other
    assert [row.split()[0] for row in first[1].splitlines()[2:4]] == ["stored", "real"]


def test_random_inputs_fill_what_is_not_given(call, folder, monkeypatch):
    monkeypatch.chdir(folder)
    call("run", "float.tflite", "--random", "-i", "b=b.npy", "-o", "out.npz")
    total = saved("out.npz")["sum"]
    assert total.min() >= 10
    assert total.max() < 11
    assert total.min() != total.max()


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack", "tflm"])
@pytest.mark.parametrize("engine", ["auto", "numpy"])
def test_run_passes_kernels_and_engine_on(call, folder, monkeypatch, kernels, engine):
    monkeypatch.chdir(folder)
    asked = []
    construct = minilite.Interpreter
    monkeypatch.setattr(minilite, "Interpreter", lambda *a, **k: asked.append(k) or construct(*a, **k))
    assert call("run", "float.tflite", "--random", "--kernels", kernels, "--engine", engine)[0] == 0
    assert asked == [{"kernels": kernels, "engine": engine}]


def detail(dtype, shape=(4, 100), scales=()):
    return {"name": "x", "dtype": dtype, "shape": shape, "quantization_parameters": {"scales": np.float32(scales)}}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_random_floats(dtype):
    array = run_command.draw(detail(dtype), np.random.default_rng(0))
    assert array.dtype == dtype
    assert array.shape == (4, 100)
    assert 0 <= array.min() < 0.1
    assert 0.9 < array.max() <= 1


@pytest.mark.parametrize("dtype, low, high", [(np.int8, -128, 127), (np.uint8, 0, 255), (np.int16, -32768, 32767)])
def test_random_integers(dtype, low, high):
    quantized = run_command.draw(detail(dtype, (100, 100), [0.1]), np.random.default_rng(0))
    assert quantized.dtype == dtype
    slack = 0 if dtype != np.int16 else 100  # of 65,536 values not every one comes up
    assert low <= quantized.min() <= low + slack
    assert high - slack <= quantized.max() <= high
    assert set(run_command.draw(detail(dtype), np.random.default_rng(0)).ravel().tolist()) == {0, 1}


def test_random_strings_are_refused():
    with pytest.raises(minilite.ArgumentError, match="cannot draw"):
        run_command.draw(detail(np.bytes_), np.random.default_rng(0))


def test_outputs_may_have_any_name(tmp_path):
    outputs = {"file": np.arange(3), "a/b:0": np.float32(1.5), "allow_pickle": np.zeros((0, 2), bool)}
    save_arrays(tmp_path / "out.npz", outputs)
    found = saved(tmp_path / "out.npz")
    assert found.keys() == outputs.keys()
    for name, array in outputs.items():
        np.testing.assert_array_equal(found[name], array)


def test_outputs_of_all_kinds_are_described():
    outputs = {
        "scalar": np.int32(7),
        "none": np.zeros((0, 3), np.float32),
        "words": np.array([b"x"], object),
        "yes": np.array([True]),
    }
    described = dict(run_command.describe(run_command.Run(outputs, {})))
    assert list(described) == ["scalar  int32 []", "none  float32 [0, 3]", "words  object [1]", "yes  bool [1]"]
    assert described["scalar  int32 []"][1].split() == ["stored", "7", "7", "7", "7"]
    assert described["words  object [1]"][1].split() == ["stored", "b'x'"]


def test_a_header_that_claims_terabytes_is_refused(folder, call):
    with (folder / "huge.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
        np.lib.format.write_array_header_1_0(file, header)
    status, _, error = call("run", folder / "float.tflite", "--input", folder / "huge.npy")
    assert status == 1
    assert "cannot read an array from" in error


def test_a_text_for_an_array_and_a_folder_that_is_not_there_are_told_before_anything_runs(folder, call):
    (folder / "notes.txt").write_text("not an array", encoding="utf-8")
    status, _, error = call("run", folder / "float.tflite", "--input", folder / "notes.txt")
    assert status == 1
    assert "neither a .npy nor an .npz file" in error
    status, out, error = call("run", folder / "float.tflite", "--random", "-o", folder / "nowhere" / "out.npz")
    assert (status, out) == (1, "")
    assert "no folder" in error


def test_names_are_text(call, tmp_path):
    """Not what moves a terminal's cursor, nor what colours its text."""
    tensors = tuple(Tensor(name, "FLOAT32", (1, 4)) for name in ("[red]x[/nope]", "\x1b[31my", "z"))
    operators = Operator(0, (0,), (1,)), Operator(0, (1,), (2,))
    graph = Subgraph(tensors, (0,), (2,), operators)
    Model((OperatorCode("ABS"),), (graph,), (Buffer(),)).save(tmp_path / "odd.tflite")
    status, planned, error = call("memory", tmp_path / "odd.tflite", "--tensors")
    assert (status, error) == (0, "")
    assert "[red]x[/nope]" in planned
    assert "\\x1b[31my" in planned
    status, carved, _ = call("carve", tmp_path / "odd.tflite", "0", "--random", "-o", tmp_path / "part")
    assert status == 0
    assert "\\x1b[31my" in carved


# ---- more than there is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("explain", "0"),
        ("debug",),
        ("carve", "0", "--output", "part"),
        ("compare", "--against", "xnnpack"),
        ("profile",),
    ],
    ids=lambda a: a[0],
)
def test_inputs_are_not_drawn_before_the_limits_are_asked(call, tmp_path, monkeypatch, arguments) -> None:
    """A file of some hundred bytes asks for 4 GiB of random numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(np.random, "default_rng", _Never)
    x, y = Tensor("x", "INT32", (2**29, 2)), Tensor("y", "INT32", (2,))
    operator = Operator(0, (0,), (1,), make_options("ShapeOptions", out_type="INT32"))
    model = Model((OperatorCode("SHAPE"),), (Subgraph((x, y), (0,), (1,), (operator,)),), (Buffer(),))
    model.save("large.tflite")
    random = () if arguments[0] == "profile" else ("--random",)
    status, _, error = call(arguments[0], "large.tflite", *arguments[1:], *random)
    assert (status, error.count("\n")) == (1, 1)
    assert "max_memory=2147483648" in error


class _Never:
    def __init__(self, seed):
        pass

    def integers(self, *rest):
        raise AssertionError("drawn")


def test_too_little_memory_is_said_in_a_line(call, folder, monkeypatch):
    def scarce(*arguments):
        raise MemoryError("Unable to allocate 5 GiB")

    monkeypatch.setattr(run_command, "run_files", scarce)
    status, _, error = call("run", folder / "float.tflite", "--random")
    assert (status, error) == (1, "minilite: there is not enough memory. Unable to allocate 5 GiB\n")
