"""Making an interpreter: its arguments, names and refusals."""

from __future__ import annotations

import copy
import enum
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import Interpreter, OpResolverType
from tests import small_models as models

# ---- kernel sets and engines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "resolver, kernels, chosen",
    [
        ("AUTO", None, "reference"),
        ("BUILTIN", None, "reference"),
        ("BUILTIN_REF", None, "reference"),
        ("BUILTIN_WITHOUT_DEFAULT_DELEGATES", None, "builtin"),
        ("AUTO", "xnnpack", "xnnpack"),
        ("BUILTIN", "builtin", "builtin"),
        ("BUILTIN_REF", "reference", "reference"),
        ("BUILTIN_REF", "builtin", None),
        ("BUILTIN_REF", "xnnpack", None),
        ("BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference", None),
    ],
)
def test_resolvers_and_kernels(resolver: str, kernels: str | None, chosen: str | None) -> None:
    def construct() -> Interpreter:
        return Interpreter(models.add(), experimental_op_resolver_type=OpResolverType[resolver], kernels=kernels)

    if chosen is None:
        with pytest.raises(ValueError, match=f"kernels='{kernels}' contradicts.*{resolver}"):
            construct()
    else:
        assert f"kernels='{chosen}'" in repr(construct())


def test_another_packages_resolver_counts_by_its_name() -> None:
    foreign = enum.Enum("OpResolverType", {"BUILTIN_WITHOUT_DEFAULT_DELEGATES": 3})
    interpreter = Interpreter(models.add(), experimental_op_resolver_type=foreign.BUILTIN_WITHOUT_DEFAULT_DELEGATES)  # type: ignore[arg-type]
    assert "kernels='builtin'" in repr(interpreter)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown kernel set 'fast'; there are: reference, builtin, xnnpack"):
        Interpreter(models.add(), kernels="fast")
    with pytest.raises(ValueError, match="unknown engine 'gpu'; there are: auto"):
        Interpreter(models.add(), engine="gpu")


def test_repr_says_what_will_compute() -> None:
    interpreter = Interpreter(models.add(), engine="numpy")
    assert "kernels='reference', engine='numpy', resolver AUTO (not XNNPACK), not allocated" in repr(interpreter)
    interpreter.allocate_tensors()
    assert "AUTO (not XNNPACK), allocated" in repr(interpreter)
    assert "(not XNNPACK)" not in repr(Interpreter(models.add(), kernels="xnnpack"))


def test_repr_says_which_file(tmp_path: Path) -> None:
    models.add().save(tmp_path / "add.tflite")
    for path in (tmp_path / "add.tflite", str(tmp_path / "add.tflite"), str(tmp_path / "add.tflite").encode()):
        assert "add.tflite'" in repr(Interpreter(path))


# ---- constructing --------------------------------------------------------------------------------------------------


def test_arguments_are_litert_s_and_a_few_more() -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    theirs = inspect.signature(litert.Interpreter).parameters
    ours = inspect.signature(Interpreter).parameters
    assert list(ours) == [*theirs, "kernels", "engine", "limits", "custom_ops"]
    for name, parameter in theirs.items():
        default = OpResolverType.AUTO if name == "experimental_op_resolver_type" else parameter.default
        assert (ours[name].kind, ours[name].default) == (parameter.kind, default)


def test_methods_are_litert_s() -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    for theirs, ours in ((litert.Interpreter, Interpreter), (litert.SignatureRunner, minilite.SignatureRunner)):
        names = [n for n, m in vars(theirs).items() if callable(m) or isinstance(m, property)]
        for name in set(names) - {"__del__"}:
            assert hasattr(ours, name), name
            if not isinstance(vars(theirs)[name], property) and name != "__init__":
                expected = inspect.signature(vars(theirs)[name]).parameters
                found = inspect.signature(getattr(ours, name)).parameters
                assert [(p.name, p.kind, p.default) for p in found.values()] == [
                    (p.name, p.kind, p.default) for p in expected.values()
                ]
    members = {m.name: m.value for m in OpResolverType}
    assert members == {m.name: m.value for m in litert.OpResolverType}


def test_experimental_arguments_are_accepted() -> None:
    options = {n: True for n in inspect.signature(Interpreter).parameters if n.startswith("experimental_")}
    options |= {"experimental_op_resolver_type": OpResolverType.BUILTIN, "experimental_delegates": []}
    interpreter = Interpreter(models.add(), num_threads=4, **options)
    interpreter.set_tensor(0, np.array([[1, 2, 3, 4]], np.float32))
    interpreter.invoke()
    assert interpreter.get_tensor(1).tolist() == [[2, 4, 6, 8]]


def test_delegates_are_refused_as_scripts_expect() -> None:
    for wrong in (OSError, ValueError):
        with pytest.raises(wrong, match="minilite has no delegates"):
            minilite.load_delegate("libedgetpu.so.1", {"device": "usb"})
        with pytest.raises(wrong, match="minilite has no delegates"):
            Interpreter(models.add(), experimental_delegates=[object()])


def test_custom_registerers() -> None:
    assert minilite.InterpreterWithCustomOps(None, model_content=models.add().to_bytes()).num_subgraphs() == 1
    with pytest.raises(ValueError, match="native custom operators"):
        minilite.InterpreterWithCustomOps([lambda pointer: None], model_content=models.add().to_bytes())


def test_no_native_handle() -> None:
    assert Interpreter(models.add())._native_handle() == 0


def test_copies_are_refused() -> None:
    with pytest.raises(TypeError, match="make another one"):
        copy.copy(Interpreter(models.add()))


def test_tensorflow_operators_are_named() -> None:
    with pytest.raises(RuntimeError, match=r"Select TensorFlow op\(s\).*FlexErf"):
        Interpreter(models.custom("FlexErf")).allocate_tensors()


def test_a_model_that_is_no_model() -> None:
    for wrong in (5, 1.5, {"a": 1}):
        with pytest.raises(TypeError, match=r"expected str, bytes or os\.PathLike object"):
            Interpreter(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model_content must be bytes"):
        Interpreter(model_content=models.add())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="schema version 1 not equal to supported version 3"):
        Interpreter(minilite.Model(version=1))


def test_the_content_of_a_file_is_no_path() -> None:
    content = models.add().to_bytes() + bytes(100_000)
    with pytest.raises(
        minilite.ModelError, match=r"^Could not open '.*\. These \d+ bytes .* as model_content="
    ) as raised:
        Interpreter(content)
    assert len(str(raised.value)) < 300
    assert Interpreter(model_content=content).get_input_details()


def test_a_path_may_be_bytes(tmp_path: Path) -> None:
    models.add().save(tmp_path / "TFL3.tflite")
    assert Interpreter(bytes(tmp_path / "TFL3.tflite")).get_input_details()
    with pytest.raises(minilite.ModelError, match=r"No such file"):
        Interpreter(bytes(tmp_path / "missing"))


def test_numbers_too_large_are_litert_s_errors() -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    content = models.add().to_bytes()
    for module in (litert, minilite):
        interpreter = module.Interpreter(model_content=content)
        with pytest.raises(OverflowError):
            interpreter.resize_tensor_input(0, [2**31])
        with pytest.raises(TypeError, match="incompatible function arguments"):
            interpreter.get_tensor(2**40)


def test_what_a_signal_handler_raises_passes() -> None:
    """Only what a kernel raises is an OperatorError; a caller's own exception is the caller's."""

    class TooLong(Exception):
        pass

    interpreter = minilite.Interpreter(models.add(), engine="numpy")
    interpreter.allocate_tensors()
    step = interpreter._main.plan.schedule[0]

    def interrupted(*arrays: np.ndarray) -> np.ndarray:
        raise TooLong

    step.call = interrupted
    with pytest.raises(TooLong):
        interpreter.invoke()


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros(0), np.zeros((2, 2), np.uint8)], ids=str)
def test_an_array_is_no_model(array: np.ndarray) -> None:
    wrong: Any = array
    with pytest.raises(minilite.ArgumentTypeError, match=r"expected str, bytes or os\.PathLike object, not ndarray"):
        Interpreter(wrong)
    with pytest.raises(minilite.ArgumentTypeError, match="expected bytes, ndarray found"):
        Interpreter(model_content=wrong)
    with pytest.raises(minilite.ArgumentError, match="Can't both provide"):
        Interpreter("model.tflite", model_content=wrong)
