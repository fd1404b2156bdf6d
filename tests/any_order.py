"""The interpreter's whole API in any order, beside LiteRT's: same bits, and errors of the same built-in classes.

:class:`AnyOrder` is a state machine of Hypothesis. Every rule makes one call of both interpreters; LiteRT's runs in a
child process. What is compared is the outcome: a value, bit for bit, where LiteRT's memory is known to hold one, else
its type and shape; or the built-in class of an exception. Where the two differ on purpose (docs/robustness.md), a rule
says so by name, in :data:`DELIBERATE`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from minilite.engines import compiling
from minilite.model import Model, Signature
from minilite.spec import DTYPES
from tests.any_order_models import SUBJECTS, Subject
from tests.remote import Died, Ours, Outcome, Refused, Remote, Value

DELIBERATE = {
    "the first use allocates": "LiteRT refuses everything before allocate_tensors()",
    "nothing to reset": "LiteRT refuses reset_all_variables() before allocate_tensors()",
    "constants are read-only": "LiteRT dies, or writes them",
    "intermediate results are given away": "LiteRT hands out their memory, whoever has it now",
    "a shape that is not known": "LiteRT hands out memory of the file's shape before the first invoke",
    "what needs no allocation": "LiteRT sets and reads resized strings and empty tensors before allocate_tensors()",
    "views of strings": "LiteRT dies",
    "views of int4": "LiteRT shows them packed, two a byte",
    "the same shape for strings and nothing": "LiteRT has to allocate again",
    "results between a resize and the next allocation": "LiteRT hands out the memory of results never computed",
    "strict, with more dimensions than the file's": "LiteRT reads beyond the signature",
    "handles of variables": "LiteRT says that they are None",
    "a refused call changes nothing": "LiteRT may be left unallocated",
}
"""What minilite does otherwise, and why it may: each with what LiteRT does."""

SEEN: Counter[str] = Counter()
"""How often each call, and each deliberate difference, was met."""

NUMBERS = np.array([0, -0.0, 1, -1, 0.5, 1e-45, -1e-39, 3e38, -3e38, np.inf, -np.inf, np.nan, 7.25, 100])
LAYOUTS = ("plain", "fortran", "strided", "reversed", "read-only")
"""What real numbers are drawn from, and how an array may lie in memory."""

seeds = st.integers(0, 2**16)
remote = Remote(seconds=20)


def filled(type_: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Any values of a TFLite type."""
    random, dtype = np.random.default_rng(seed), np.dtype(DTYPES[type_.lower()])
    if dtype.kind == "O":
        words = np.array([b"", b"a", b"two words", "ü".encode()], object)
        return random.choice(words, shape) if shape else np.array(words[seed % 4], object)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        low, high = (-8, 7) if type_ == "INT4" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return np.asarray(random.integers(low, high, shape, dtype=np.int64, endpoint=True), dtype)
    with np.errstate(all="ignore"):
        usual = random.normal(size=shape)
        return np.asarray(random.choice(NUMBERS, shape) if seed % 3 == 0 else usual, dtype)


def _spoil(arrays: dict[str, Any], how: str) -> None:
    """Make a mistake in a signature's arguments."""
    first = next(iter(arrays))
    if how == "name":
        arrays["nope"] = arrays.pop(first)
    elif how == "count":
        arrays["nope"] = arrays[first]
    elif how == "type":
        arrays[first] = arrays[first].astype(np.float64)
    elif how == "list":
        arrays[first] = [1.0]


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same array, lying in memory in another way."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "reversed" and array.ndim:
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    if layout == "read-only":
        array.flags.writeable = False
    return array


def identical(a: Any, b: Any) -> bool:
    """Equality of types, shapes and bits, inside lists and dictionaries (in order) too; NaNs are all alike."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, np.ndarray | np.generic):
        return _alike(a, b) and _bits(np.asarray(a)) == _bits(np.asarray(b))
    return bool(a == b)


def _bits(array: np.ndarray) -> Any:
    if array.dtype == object:
        return array.tolist()
    return (np.where(np.isnan(array), array.dtype.type(np.nan), array) if array.dtype.kind == "f" else array).tobytes()


def _alike(a: Any, b: Any) -> bool:
    """Equality of types and shapes only."""
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_alike, a, b))
    return type(a) is type(b) and (isinstance(a, str) or (a.dtype, a.shape) == (b.dtype, b.shape))


class AnyOrder(RuleBasedStateMachine):
    """See the module. ``known`` holds the tensors, by subgraph and index, whose memory LiteRT has defined."""

    @initialize(
        subject=st.sampled_from(list(SUBJECTS)),
        resolver=st.sampled_from(["BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"]),
        engine=st.sampled_from(list(dict.fromkeys(("numpy", "auto", compiling())))),
        keep=st.booleans(),
        compress=st.booleans(),
        threads=st.sampled_from([None, 1, 2]),
    )
    def construct(self, subject: str, resolver: str, engine: str, keep: bool, compress: bool, threads: Any) -> None:
        self.subject: Subject = SUBJECTS[subject]
        self.keep = keep
        self.model: Model = self.subject.model
        self.graph = self.model.subgraphs[0]
        self.ours, self.held = Ours(), list[str]()
        resolver = resolver if resolver in self.subject.resolvers else self.subject.resolvers[0]
        options = {
            "num_threads": threads,
            "experimental_preserve_all_tensors": keep,
            "experimental_compress_quantization_zero_points": compress,
        }
        self.arguments = (self.subject.content, resolver), options, engine
        self._begin()

    def _begin(self) -> None:
        """Construct both."""
        arguments, options, engine = self.arguments
        theirs = remote.call("new", *arguments, **options)
        assert theirs == Value(None), theirs
        self.ours.call("new", *arguments, engine=engine, **options)
        self.fresh, self.ready, self.tainted = True, False, False
        self.known: set[tuple[int, int]] = set()

    # ---- both at once --------------------------------------------------------------------------------------------

    def both(self, method: str, *args: Any, exact: bool = True) -> Outcome:
        """Make a call of both interpreters, compare what becomes of it, and return LiteRT's outcome."""
        ours = self.ours.call(method, *args)
        if self.fresh and self._allocates(method, args):
            self._meet("the first use allocates")
            allocated = remote.call("allocate_tensors")
            self._note_allocation(allocated)
            if isinstance(allocated, Refused):
                self._compare(method, args, ours, allocated, exact)
                return allocated
        theirs = remote.call(method, *args)
        SEEN[f"{method}: {type(theirs).__name__}"] += 1
        if isinstance(theirs, Died):
            raise AssertionError(f"LiteRT died of {method}{args}; minilite: {ours}")
        self._compare(method, args, ours, theirs, exact)
        return theirs

    def _allocates(self, method: str, args: Any) -> bool:
        """Whether minilite allocates by itself for this call, if it has not done so yet."""
        index = {"invoke": 0, "hold": args[-1:], "set_tensor": args[:1], "get_tensor": args[:1]}.get(method)
        if index == 0 or index is None:
            return index == 0
        if method == "get_tensor" and len(args) > 1:  # of another subgraph
            return False
        return index[0] in range(len(self.graph.tensors)) and not self._constant(index[0])

    def _compare(self, method: str, args: Any, ours: Outcome, theirs: Outcome, exact: bool) -> None:
        said = f"{self.subject.name}: {method}{args}\nminilite: {ours}\nLiteRT:   {theirs}"
        assert type(ours) is type(theirs), said
        if isinstance(theirs, Refused) and isinstance(ours, Refused):
            assert issubclass(ours.error, theirs.error), said
        elif isinstance(theirs, Value) and isinstance(ours, Value):
            assert (identical if exact else _alike)(ours.value, theirs.value), said

    def _allocated(self) -> bool:
        return not repr(self.ours.interpreter).endswith("not allocated>")

    def _meet(self, difference: str) -> None:
        assert difference in DELIBERATE
        SEEN[difference] += 1

    # ---- what is known -------------------------------------------------------------------------------------------

    def _note_allocation(self, outcome: Outcome) -> None:
        if self.ready:
            return
        self.fresh = False
        self.ready = isinstance(outcome, Value)
        self.tainted = self.tainted and self.subject.resources
        graph = self.graph
        if self.ready:
            self.known |= {(0, i) for i, t in enumerate(graph.tensors) if t.is_variable}

    def _note_invoke(self, outcome: Outcome) -> None:
        known = all((0, i) in self.known or self._constant(i) for i in self.graph.inputs)
        variables = {(0, i) for i, t in enumerate(self.graph.tensors) if t.is_variable}
        inputs = {(0, i) for i in self.graph.inputs} & self.known
        self.known = {k for k in self.known if k[0]} | inputs
        if isinstance(outcome, Value) and known and not self.tainted:
            self.known |= {(0, i) for i in self.graph.outputs} | variables
            if self.keep:
                self.known |= {(0, i) for o in self.graph.operators for i in o.outputs}
        elif self.subject.remembers:
            self.tainted = True

    def _constant(self, index: int) -> bool:
        return (
            0 <= index < len(self.graph.tensors)
            and self.model.buffers[self.graph.tensors[index].buffer].data is not None
        )

    def _is_known(self, index: int, subgraph: int = 0) -> bool:
        return self._constant(index) or (subgraph, index) in self.known

    def _shape(self, index: int) -> tuple[int, ...]:
        """The tensor's present shape, as LiteRT sees it."""
        answer = remote.call("_get_tensor_details", index, 0)
        return tuple(answer.value["shape"].tolist()) if isinstance(answer, Value) else ()

    def _names(self, index: int) -> bool:
        return 0 <= index < len(self.graph.tensors)

    def _type(self, index: int) -> str:
        return str(self.graph.tensors[index].type)

    def _given_away(self, index: int) -> bool:
        """Whether a tensor is an intermediate result."""
        graph = self.graph
        return (
            0 <= index < len(graph.tensors)
            and index not in (*graph.inputs, *graph.outputs)
            and not self._constant(index)
            and not graph.tensors[index].is_variable
        )

    def _index(self, number: int) -> int:
        """A tensor of subgraph 0, sometimes one that is not there; LiteRT's scratch tensors follow the last."""
        index = number % (len(self.graph.tensors) + 2) - 1
        return 9999 if index == len(self.graph.tensors) else index

    # ---- rules: allocation and running ---------------------------------------------------------------------------

    @rule()
    def allocate(self) -> None:
        self._note_allocation(self.both("allocate_tensors"))

    @rule()
    def invoke(self) -> None:
        if (self.subject.dynamic or self.subject.values) and not all(self._is_known(i) for i in self.graph.inputs):
            return  # what is in memory by chance decides what is computed
        outcome = self.both("invoke")
        if self.ready and not self.held:
            self._note_invoke(outcome)

    @rule()
    def reset(self) -> None:
        if not self.ready:
            self._meet("nothing to reset")
            return
        self.both("reset_all_variables")
        self.tainted = self.tainted and self.subject.resources
        if not self.tainted:
            self.known |= {(0, i) for i, t in enumerate(self.graph.tensors) if t.is_variable}

    @rule(
        number=seeds,
        how=st.sampled_from(["same", "other", "dimension", "rank", "impossible"]),
        seed=seeds,
        strict=st.booleans(),
    )
    def resize(self, number: int, how: str, seed: int, strict: bool) -> None:
        graph = self.graph
        index = (
            graph.inputs[number % len(graph.inputs)] if number % 8 or self.subject.dynamic else self._index(number // 8)
        )
        if self._handle(index):
            return
        if index in self.subject.fixed and how in ("dimension", "rank"):
            how = "other" if index in self.subject.shapes else "same"
        size = self._size(index, how, np.random.default_rng(seed))
        before = self._shape(index)
        empty = self._names(index) and (self._type(index) == "STRING" or 0 in before)
        if empty and tuple(size) == before:
            self._meet("the same shape for strings and nothing")
            return
        signature = graph.tensors[index].shape_signature if self._names(index) else None
        if strict and signature and len(before) > len(signature):
            self._meet("strict, with more dimensions than the file's")
            return
        outcome = self.both("resize_tensor_input", index, size, strict)
        if isinstance(outcome, Refused):
            self._repair()
            return
        self.fresh = False
        if tuple(size) != before:
            self.ready = False
            self.known = {k for k in self.known if k[0]}

    def _repair(self) -> None:
        """Allocate both again, for LiteRT may have to."""
        self._meet("a refused call changes nothing")
        if not self.held:
            self.ready = False
            self.known = {k for k in self.known if k[0]}
            self._note_allocation(self.both("allocate_tensors"))
            if self.ready:  # LiteRT's variables begin anew when it allocates
                self.both("reset_all_variables")

    def _size(self, index: int, how: str, random: np.random.Generator) -> list[int]:
        size = list(self._shape(index))
        if how == "other" and (shapes := self.subject.shapes.get(index)):
            return list(shapes[random.integers(len(shapes))])
        if how == "dimension" and size:
            size[random.integers(len(size))] = int(random.integers(0, 5))
        if how == "rank":
            return random.integers(1, 4, random.integers(0, 5)).tolist()
        if (
            how == "impossible" and self._names(index) and self._type(index) != "STRING"
        ):  # of which LiteRT says so when it allocates
            return [[-1, 4], [2**31 - 1] * 3, [-2]][random.integers(3)]
        return size

    # ---- rules: values -------------------------------------------------------------------------------------------

    @rule(number=seeds, seed=seeds, layout=st.sampled_from(LAYOUTS))
    def set_tensor(self, number: int, seed: int, layout: str) -> None:
        graph = self.graph
        variables = [i for i, t in enumerate(graph.tensors) if t.is_variable]
        own = (*graph.inputs, *graph.inputs, *graph.outputs, *variables)
        index = own[number % len(own)]
        if self._constant(index) or self._shapeless(index):
            return
        if self._nothing(index):
            return
        outcome = self.both("set_tensor", index, laid_out(self._value(index, seed), layout))
        if isinstance(outcome, Value):
            self.known.add((0, index))

    def _value(self, index: int, seed: int) -> np.ndarray:
        values = self.subject.values.get(index)
        return values(seed) if values else filled(self._type(index), self._shape(index), seed)

    @rule(
        number=seeds,
        wrong=st.sampled_from(["type", "rank", "dimension", "list", "nothing", "index", "constant"]),
        seed=seeds,
    )
    def set_what_does_not_fit(self, number: int, wrong: str, seed: int) -> None:
        index = self.graph.inputs[number % len(self.graph.inputs)]
        if self._type(index) in ("STRING", "INT4") or self._constant(index):
            return
        if wrong == "constant":
            self._set_constant()
            return
        right = filled(self._type(index), self._shape(index), seed)
        value: Any = {
            "type": right.astype(np.float64 if right.dtype != np.float64 else np.float32),
            "rank": right[None],
            "dimension": np.zeros((*right.shape[:-1], 9), right.dtype) if right.ndim else right[None],
            "list": [1, 2, 3],
            "nothing": None,
            "index": right,
        }[wrong]
        self.both("set_tensor", (-1, 9999, 1.5)[seed % 3] if wrong == "index" else index, value)

    def _set_constant(self) -> None:
        """minilite only: LiteRT would write into the file, or die."""
        for index, tensor in enumerate(self.graph.tensors):
            if self._constant(index) and self._allocated():
                self._meet("constants are read-only")
                ours = self.ours.call("set_tensor", index, filled(str(tensor.type), tuple(tensor.shape or ()), 0))
                assert isinstance(ours, Refused), ours
                assert issubclass(ours.error, ValueError)

    @rule(number=seeds)
    def get_tensor(self, number: int) -> None:
        index = self._index(number)
        if self._given_away(index) and not (self.keep and self._is_known(index)):
            self._meet("intermediate results are given away")
            return
        if self._handle(index) or self._unset_string(index) or self._shapeless(index) or self._nothing(index):
            return
        self.both("get_tensor", index, exact=self._is_known(index))

    def _shapeless(self, index: int) -> bool:
        """Whether a tensor's shape depends on values that are not there yet."""
        graph = self.graph
        unknown = self.subject.dynamic and index in graph.outputs and not self._is_known(index)
        if unknown:
            self._meet("a shape that is not known")
        return unknown

    def _nothing(self, index: int) -> bool:
        """Whether a tensor has no memory of its own now: an empty one, or a result before the next allocation."""
        if self.ready or self.fresh or not self._names(index) or self._constant(index):
            return False
        if 0 in self._shape(index) or self._type(index) == "STRING":
            self._meet("what needs no allocation")
            return True
        if index in self.graph.inputs:
            return False
        self._meet("results between a resize and the next allocation")
        return True

    def _handle(self, index: int) -> bool:
        """Whether a tensor names a resource."""
        handle = self._names(index) and self._type(index) in ("RESOURCE", "VARIANT")
        if handle:
            self._meet("handles of variables")
        return handle

    def _unset_string(self, index: int) -> bool:
        """LiteRT dies of reading strings that were never set."""
        return self._names(index) and self._type(index) == "STRING" and not self._is_known(index)

    @precondition(lambda self: len(self.model.subgraphs) > 1)
    @rule(number=seeds, subgraph=st.integers(-1, 3))
    def get_tensor_of_another_subgraph(self, number: int, subgraph: int) -> None:
        tensors = len(self.model.subgraphs[subgraph].tensors) if 0 <= subgraph < len(self.model.subgraphs) else 5
        index = number % (tensors + 1)
        if subgraph == 0 and self._handle(index):
            return
        if (subgraph, index) in self.known or not 0 <= subgraph < len(self.model.subgraphs):
            self.both("get_tensor", index, subgraph)

    # ---- rules: live views ---------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.held) < 3)
    @rule(number=seeds)
    def hold_a_view(self, number: int) -> None:
        index = self._index(number)
        if (
            self._handle(index)
            or self._given_away(index)
            or self._unset_string(index)
            or self._shapeless(index)
            or self._nothing(index)
        ):
            return
        if self._names(index) and self._type(index) in ("STRING", "INT4"):
            self._meet("views of strings" if self._type(index) == "STRING" else "views of int4")
            return
        name = f"{index} {number}"
        if name in self.held:
            return
        outcome = self.both("hold", name, index, exact=self._is_known(index))
        if isinstance(outcome, Value):
            if outcome.value[1] == "ndarray" and not self.fresh:
                self.held.append(name)
            else:
                self.both("release", name)

    @precondition(lambda self: self.held)
    @rule(number=seeds, seed=seeds)
    def use_a_view(self, number: int, seed: int) -> None:
        name = self.held[number % len(self.held)]
        index = int(name.split()[0])
        if seed % 2 and not self._constant(index) and self._type(index) not in ("STRING", "INT4"):
            self.both("write", name, self._value(index, seed))
            self.known.add((0, index))
        self.both("look", name, exact=self._is_known(index))

    @precondition(lambda self: self.held)
    @rule(number=seeds)
    def release_a_view(self, number: int) -> None:
        self.both("release", self.held.pop(number % len(self.held)))

    # ---- rules: descriptions -------------------------------------------------------------------------------------

    @rule(
        what=st.sampled_from(
            ["get_input_details", "get_output_details", "get_signature_list", "num_subgraphs", "_get_ops_details"]
        )
    )
    def describe(self, what: str) -> None:
        if what == "get_output_details" and (not self.ready or self.subject.dynamic):
            return
        self.both(what)

    @rule(number=seeds)
    def describe_a_tensor(self, number: int) -> None:
        index = self._index(number)
        if (
            index not in self.graph.inputs
            and (not self.ready or self.subject.dynamic)
            and 0 <= index < len(self.graph.tensors)
        ):
            return
        self.both("_get_tensor_details", index, 0)

    # ---- rules: signatures ---------------------------------------------------------------------------------------

    @precondition(lambda self: not self.held)
    @rule(
        number=seeds,
        wrong=st.sampled_from(["", "", "", "key", "name", "count", "type", "list"]),
        seed=seeds,
        how=st.sampled_from(["same", "same", "other"]),
    )
    def run_a_signature(self, number: int, wrong: str, seed: int, how: str) -> None:
        if not self.model.signatures:
            if seed % 8 == 0:
                self.both("run_signature", None, {})
            return
        if wrong in ("type", "list") and not (self.ready or self.fresh):
            return  # two mistakes at once
        how = "same" if wrong in ("type", "list") else how  # or LiteRT keeps the shape of what it refuses
        signature = self.model.signatures[number % len(self.model.signatures)]
        arrays = self._arrays(signature, how == "other", seed)
        key = "nope" if wrong == "key" else signature.key
        _spoil(arrays, wrong)
        outcome = self.both("run_signature", key, arrays, exact=not (self.tainted and signature.subgraph_index == 0))
        graph = self.model.subgraphs[signature.subgraph_index]
        if isinstance(outcome, Refused) and (how == "other" or self.fresh):
            self._meet("a refused call changes nothing")
            self._begin()
        if isinstance(outcome, Value):
            self.known |= {(signature.subgraph_index, i) for i in (*graph.inputs, *graph.outputs)}
            if signature.subgraph_index == 0:
                self.fresh, self.ready = False, True

    def _arrays(self, signature: Signature, others: bool, seed: int) -> dict[str, Any]:
        """Values for a signature's inputs, of their present shapes or other ones."""
        tensors = self.model.subgraphs[signature.subgraph_index].tensors
        arrays: dict[str, Any] = {}
        details = self.ours.interpreter.get_signature_runner(signature.key).get_input_details()
        for name, detail in details.items():
            shape, shapes = tuple(detail["shape"].tolist()), self.subject.shapes.get(detail["index"])
            if others and shapes:
                shape = shapes[seed % len(shapes)]
            arrays[name] = filled(str(tensors[detail["index"]].type), shape, seed)
        return arrays

    @precondition(lambda self: self.model.signatures and self.ready)
    @rule(number=seeds)
    def describe_a_signature(self, number: int) -> None:
        self.both("signature_details", self.model.signatures[number % len(self.model.signatures)].key)
