"""Every mistake of LiteRT's contract, made with LiteRT and with minilite: same exception type, same words first."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minilite
from tests import small_models as models

litert = pytest.importorskip("ai_edge_litert.interpreter")

Api = Any
TYPE = "^"
Mistake = Callable[[SimpleNamespace], Any]


def started(api: Api, model: minilite.Model, allocate: bool = True, **options: Any) -> Any:
    interpreter = api.Interpreter(
        model_content=model.to_bytes(), experimental_op_resolver_type=api.OpResolverType.BUILTIN_REF, **options
    )
    if allocate:
        interpreter.allocate_tensors()
    return interpreter


@dataclass
class Row:
    """One mistake. ``until`` cuts LiteRT's message where the contract ends: before noise of its sources, or, with
    :data:`TYPE`, at once, because its words are about its own implementation."""

    name: str
    mistake: Mistake
    until: str = "$"


def row(name: str, mistake: Mistake, until: str = "$") -> Any:
    return pytest.param(Row(name, mistake, until), id=name)


def on(model: Callable[[], minilite.Model], call: Callable[[Any], Any], allocate: bool = True) -> Mistake:
    return lambda with_: call(started(with_.api, model(), allocate))


def after_resize(call: Callable[[Any], Any]) -> Mistake:
    def mistake(with_: SimpleNamespace) -> Any:
        interpreter = started(with_.api, models.add(), allocate=True)
        interpreter.resize_tensor_input(0, [2, 4])
        return call(interpreter)

    return mistake


def after_failed_allocate(call: Callable[[Any], Any]) -> Mistake:
    """LiteRT repeats all earlier messages, so the first one is cut off."""

    def mistake(with_: SimpleNamespace) -> Any:
        interpreter = started(with_.api, models.custom(), allocate=False)
        with pytest.raises(RuntimeError) as first:
            interpreter.allocate_tensors()
        try:
            return call(interpreter)
        except Exception as error:
            raise type(error)(str(error).removeprefix(str(first.value))) from error

    return mistake


def with_view(call: Callable[[Any], Any], slice_only: bool = False) -> Mistake:
    def mistake(with_: SimpleNamespace) -> Any:
        interpreter = started(with_.api, models.add())
        held = interpreter.tensor(0)()
        if slice_only:
            held = held[..., 1:]
        call(interpreter)
        return held

    return mistake


def constructed(**arguments: Any) -> Mistake:
    return lambda with_: with_.api.Interpreter(**{"model_content": models.add().to_bytes(), **arguments})


def from_bytes(change: Callable[[bytes], bytes]) -> Mistake:
    return lambda with_: with_.api.Interpreter(model_content=change(models.add().to_bytes()))


def from_file(content: bytes | None) -> Mistake:
    """An interpreter of a file with this content, or of a folder."""

    def mistake(with_: SimpleNamespace) -> Any:
        path = Path(with_.folder)
        if content is not None:
            path = path / "model.tflite"
            path.write_bytes(content)
        return with_.api.Interpreter(model_path=path)

    return mistake


def version_4(with_: SimpleNamespace) -> Any:
    return with_.api.Interpreter(model_content=dataclasses.replace(models.add(), version=4).to_bytes())


def runner(model: Callable[[], minilite.Model], key: Any, *arguments: Any, **named: Any) -> Mistake:
    return lambda with_: started(with_.api, model()).get_signature_runner(key)(*arguments, **named)


F4 = np.zeros((1, 4), np.float32)
F3 = np.zeros((1, 3), np.float32)

MISTAKES = [
    # constructing
    row("no arguments", lambda w: w.api.Interpreter()),
    row("empty bytes", constructed(model_content=b"")),
    row("path and content", constructed(model_path="/nope/x.tflite")),
    row("missing file", lambda w: w.api.Interpreter(model_path="/nope/x.tflite"), until="The model allocation"),
    row("folder", from_file(None), until=r" '\d+' at offset|The model allocation"),
    row("empty file", from_file(b""), until=r"\.|The model allocation"),
    row("garbage file", from_file(b"garbage " * 20)),
    row("garbage", from_bytes(lambda b: b"garbage " * 20)),
    row("truncated", from_bytes(lambda b: b[: len(b) // 2])),
    row("wrong identifier", from_bytes(lambda b: b[:4] + b"TFL2" + b[8:])),
    row("schema version 4", version_4),
    row("operator version 99", on(models.unknown_version, lambda i: i, allocate=False), until="An older"),
    row("unknown type", on(models.unknown_type, lambda i: i, allocate=False)),
    row("bytearray", from_bytes(bytearray), until=TYPE),
    row("path of the wrong type", lambda w: w.api.Interpreter(model_path=5)),
    row("num_threads 0", constructed(num_threads=0)),
    row("num_threads -1", constructed(num_threads=-1)),
    row("num_threads '2'", constructed(num_threads="2")),
    row("num_threads 2.0", constructed(num_threads=2.0)),
    row("num_threads numpy", constructed(num_threads=np.int64(2))),
    row("resolver 7", constructed(experimental_op_resolver_type=7)),
    row("resolver None", constructed(experimental_op_resolver_type=None)),
    row("resolver by name", constructed(experimental_op_resolver_type="AUTO")),
    row("unknown argument", constructed(nonsense=1)),
    row("native custom operators", lambda w: _with_custom_operators(w.api), until="failed"),
    row("delegate", lambda w: w.api.load_delegate("/nope/x.so"), until=": cannot open"),
    row("Delegate()", lambda w: w.api.Delegate("/nope/x.so"), until=": cannot open"),
    # allocating and invoking
    row("custom operator", on(models.custom, lambda i: i), until="\n"),
    row("overlapping operator", on(models.overlapping, lambda i: i), until="\n"),
    row("invoke after resize", after_resize(lambda i: i.invoke())),
    row("invoke after a failed allocate", after_failed_allocate(lambda i: i.invoke())),
    row("set_tensor after a failed allocate", after_failed_allocate(lambda i: i.set_tensor(0, F4[0, :2]))),
    row("get_tensor after a failed allocate", after_failed_allocate(lambda i: i.get_tensor(0))),
    row("set_tensor after resize", after_resize(lambda i: i.set_tensor(0, np.zeros((2, 4), np.float32)))),
    row("set_tensor of the old shape after resize", after_resize(lambda i: i.set_tensor(0, F4))),
    row("get_tensor after resize", after_resize(lambda i: i.get_tensor(0))),
    row("tensor after resize", after_resize(lambda i: i.tensor(0)())),
    row("an impossible shape", on(models.convolution, lambda i: _reallocated(i, [1, 4, 4])), until=TYPE),
    # a value that does not fit
    row("float64", on(models.add, lambda i: i.set_tensor(0, np.zeros((1, 4))))),
    row("list of floats", on(models.add, lambda i: i.set_tensor(0, [[1.0, 2, 3, 4]]))),
    row("list of ints", on(models.add, lambda i: i.set_tensor(0, [[1, 2, 3, 4]]))),
    row("None", on(models.add, lambda i: i.set_tensor(0, None))),
    row("object", on(models.add, lambda i: i.set_tensor(0, object()))),
    row("date", on(models.add, lambda i: i.set_tensor(0, np.array(["2020-01-01"], "M8[D]")))),
    row("ragged list", on(models.add, lambda i: i.set_tensor(0, [[1, 2], [3]]))),
    row("wrong type and rank", on(models.add, lambda i: i.set_tensor(0, np.zeros(3)))),
    row("wrong rank", on(models.add, lambda i: i.set_tensor(0, np.zeros((1, 4, 1), np.float32)))),
    row("wrong dimension", on(models.add, lambda i: i.set_tensor(0, np.zeros((1, 5), np.float32)))),
    row("wrong dimension and batch", on(models.add, lambda i: i.set_tensor(0, np.zeros((2, 5), np.float32)))),
    row("scalar tensor, array", on(models.scalar, lambda i: i.set_tensor(0, np.zeros(1, np.int32)))),
    row("list for strings", on(models.strings, lambda i: i.set_tensor(0, ["a", "b", "c"]))),
    row("numbers for strings", on(models.strings, lambda i: i.set_tensor(0, np.zeros(3)))),
    row("None among strings", on(models.strings, lambda i: i.set_tensor(0, np.array(["a", None, "b"], object)))),
    row("shape of strings", on(models.strings, lambda i: i.set_tensor(0, np.array(["a"], object)))),
    row("uint8 for int4", on(models.packed_input, lambda i: i.set_tensor(0, np.zeros(3, np.uint8)))),
    row("too large for int4", on(models.packed_input, lambda i: i.set_tensor(0, np.array([1, 8, 0], np.int8)))),
    row("too many for int4", on(models.packed_input, lambda i: i.set_tensor(0, np.zeros(4, np.int8)))),
    # indices
    *[
        row(f"{call} {index!r}", on(models.add, lambda i, c=call, n=index: _touch(i, c, n)), until)
        for call in ("get_tensor", "set_tensor", "tensor")
        for index, until in ((9999, "$"), (-1, "$"), (1.5, TYPE), ("0", TYPE), (None, TYPE), ([0], TYPE))
    ],
    row("get_tensor of subgraph 5", on(models.add, lambda i: i.get_tensor(0, 5))),
    row("get_tensor of subgraph -1", on(models.add, lambda i: i.get_tensor(0, -1))),
    row("details of subgraph 5", on(models.add, lambda i: i.get_tensor_details(5))),
    row("details of subgraph -1", on(models.add, lambda i: i.get_tensor_details(-1))),
    row("details of subgraph 'a'", on(models.add, lambda i: i.get_tensor_details("a")), until=TYPE),
    row("_get_tensor_details 99", on(models.add, lambda i: i._get_tensor_details(99, 0))),
    row("_get_op_details 99", on(models.add, lambda i: i._get_op_details(99))),
    row("_get_op_details -1", on(models.add, lambda i: i._get_op_details(-1))),
    row("_get_op_details 1.5", on(models.add, lambda i: i._get_op_details(1.5)), until=TYPE),
    # resizing
    row("strict on a fixed dimension", on(models.add, lambda i: i.resize_tensor_input(0, [2, 4], strict=True))),
    row("strict on another rank", on(models.add, lambda i: i.resize_tensor_input(0, [4], strict=True))),
    row("strict, free", on(models.convolution, lambda i: i.resize_tensor_input(0, [9, 9, 9, 3], strict=True))),
    row("constant", on(models.add, lambda i: i.resize_tensor_input(2, [5]))),
    row("resize to -1", on(models.add, lambda i: i.resize_tensor_input(0, [-1, 4]))),
    row("resize to too much", on(models.add, lambda i: i.resize_tensor_input(0, [2**31 - 1] * 3))),
    row("resize to a number", on(models.add, lambda i: i.resize_tensor_input(0, 3))),
    row("resize to two rows", on(models.add, lambda i: i.resize_tensor_input(0, [[1, 2]]))),
    row("resize to a word", on(models.add, lambda i: i.resize_tensor_input(0, "ab"))),
    row("resize to None", on(models.add, lambda i: i.resize_tensor_input(0, None))),
    row("resize tensor 99", on(models.add, lambda i: i.resize_tensor_input(99, [1]))),
    row("resize tensor -1", on(models.add, lambda i: i.resize_tensor_input(-1, [1]))),
    row("resize tensor 1.5", on(models.add, lambda i: i.resize_tensor_input(1.5, [1])), until=TYPE),
    # live views
    row("invoke while a view is held", with_view(lambda i: i.invoke())),
    row("invoke while a slice is held", with_view(lambda i: i.invoke(), slice_only=True)),
    row("allocate while a view is held", with_view(lambda i: i.allocate_tensors())),
    row("resize while a view is held", with_view(lambda i: i.resize_tensor_input(0, [1, 4]))),
    row("_ensure_safe while a view is held", with_view(lambda i: i._ensure_safe())),
    # signatures
    row("no key, no signature", on(models.chain, lambda i: i.get_signature_runner())),
    row("no key, two signatures", on(models.two_signatures, lambda i: i.get_signature_runner())),
    row("unknown key", on(models.add, lambda i: i.get_signature_runner("nope"))),
    row("key of the wrong type", on(models.add, lambda i: i.get_signature_runner(5))),
    row("empty key", on(models.add, lambda i: i.get_signature_runner(""))),
    row("too few inputs", runner(models.two_signatures, "add", a=F3)),
    row("too many inputs", runner(models.two_signatures, "add", a=F3, b=F3, c=F3)),
    row("unknown input", runner(models.two_signatures, "add", a=F3, z=F3)),
    row("wrong type of input", runner(models.two_signatures, "add", a=F3, b=np.zeros((1, 3)))),
    row("list as input", runner(models.two_signatures, "add", a=F3, b=[1.0])),
    row("positional input", runner(models.two_signatures, "add", F3, F3)),
    row("SignatureRunner()", lambda w: w.api.SignatureRunner()),
    row("SignatureRunner without key", on(models.add, lambda i: _runner_class(i)(i))),
    # other
    row("pickle", on(models.add, pickle.dumps), until=" '"),
    row("deepcopy", on(models.add, copy.deepcopy), until=" '"),
]  # fmt: skip


def _touch(interpreter: Any, call: str, index: Any) -> Any:
    if call == "tensor":
        return interpreter.tensor(index)()
    return interpreter.get_tensor(index) if call == "get_tensor" else interpreter.set_tensor(index, F4)


def _reallocated(interpreter: Any, size: list[int]) -> None:
    interpreter.resize_tensor_input(0, size)
    interpreter.allocate_tensors()


def _with_custom_operators(api: Api) -> Any:
    return api.InterpreterWithCustomOps(["nope"], model_content=models.add().to_bytes())


def _runner_class(interpreter: Any) -> Any:
    return minilite.SignatureRunner if isinstance(interpreter, minilite.Interpreter) else litert.SignatureRunner


def raised(mistake: Mistake, api: Api, folder: Path) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is the question
        mistake(SimpleNamespace(api=api, folder=folder))
    return caught.value


def sentence(message: str, until: str) -> str:
    """LiteRT's message without the place in its sources, as far as it is the contract."""
    message = re.sub(r"^tflite/[\w/]+\.cc:?\d* ", "", message)
    cut = re.search(until, message)
    assert cut, f"{until!r} is not in {message!r}"
    assert cut.start() or until == TYPE, f"{until!r} leaves nothing of {message!r}"
    return message[: cut.start()].strip()


def built_in(error: Exception) -> set[type]:
    """The built-in classes that catch an error."""
    return {cls for cls in type(error).__mro__ if cls.__module__ == "builtins"}


@pytest.mark.parametrize("row", MISTAKES)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # LiteRT's Delegate.__del__
def test_same_exception(row: Row, tmp_path: Path) -> None:
    expected = raised(row.mistake, litert, tmp_path)
    found = raised(row.mistake, minilite, tmp_path)
    assert built_in(expected) <= built_in(found), f"LiteRT: {expected!r}\nminilite: {found!r}"
    assert str(found).startswith(sentence(str(expected), row.until)), f"LiteRT: {expected}\nminilite: {found}"


def test_operator_that_cannot_be_prepared_is_named() -> None:
    interpreter = minilite.Interpreter(models.convolution())
    interpreter.resize_tensor_input(0, [1, 4, 4])
    named = r"CONV_2D \(operator 0 of subgraph 0\).*Node number 0 \(CONV_2D\) failed to prepare"
    with pytest.raises(RuntimeError, match=named):
        interpreter.allocate_tensors()


OTHERS_OWN = ("unknown argument", "positional input")
"""Mistakes that Python itself finds."""


@pytest.mark.parametrize("row", [p for p in MISTAKES if p.id not in OTHERS_OWN and "after a failed" not in p.id])
def test_every_mistake_is_a_minilite_error(row: Row, tmp_path: Path) -> None:
    assert isinstance(raised(row.mistake, minilite, tmp_path), minilite.Error)
