"""Which tensor of one model is which of another: by name, and by who produces it.

Two tensors are counterparts when they are

1. inputs of the models, of the same name in the signature, or at the same place;
2. of the same name and shape;
3. the same result of operators of the same kind whose inputs are counterparts;
4. of the same first name, of those that a converter joined with semicolons, where no other tensor has that;
5. on both sides of a QUANTIZE or DEQUANTIZE that the other model lacks: these change no real number.

One tensor of ``a`` may be the counterpart of several of ``b``: of its integers, and of the floats made of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from minilite.errors import ArgumentError
from minilite.inspection.reals import comparable
from minilite.inspection.sources import Key
from minilite.model import Model, Operator, Subgraph, Tensor
from minilite.quantization.inputs import nearest

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True, eq=False)
class Alignment:
    """``counterparts``: tensors of ``b``, each with the one of ``a``. ``alone_a`` and ``alone_b`` are results of
    operators that have none."""

    counterparts: dict[Key, Key]
    alone_a: tuple[Key, ...]
    alone_b: tuple[Key, ...]


def align(a: Model, b: Model) -> Alignment:
    """The counterparts in two models. Raises :class:`ArgumentError`, with the nearest name, when no result has one."""
    if a is b or a == b:
        return _itself(a)
    pairs: dict[Key, Key] = {}
    for s, (first, second) in enumerate(zip(a.subgraphs, b.subgraphs, strict=False)):
        found = _Aligner(a, b, first, second).run(inputs(a, b, s))
        pairs |= {(s, j): (s, i) for j, i in found.items()}
    results_a, results_b = list(results(a)), list(results(b))
    met = set(pairs.values())
    if results_b and not any(key in pairs for key in results_b):
        raise _strangers(a, b, results_a, results_b)
    alone_a, alone_b = (k for k in results_a if k not in met), (k for k in results_b if k not in pairs)
    return Alignment(pairs, tuple(alone_a), tuple(alone_b))


def results(model: Model) -> Iterator[Key]:
    """All tensors that operators compute, but those that are always the same."""
    for s, graph in enumerate(model.subgraphs):
        fixed = from_constants(model, s)
        for operator in graph.operators:
            yield from ((s, t) for t in operator.outputs or () if t >= 0 and t not in fixed)


def inputs(a: Model, b: Model, subgraph: int) -> dict[int, int]:
    """The inputs of a subgraph of ``b``, each with that of ``a``: by the names of signatures, of tensors, by place.

    Raises :class:`ArgumentError` where they are not as many."""
    first, second = _named_inputs(a, subgraph), _named_inputs(b, subgraph)
    if len(first) != len(second):
        raise ArgumentError(
            f"the models do not correspond: subgraph {subgraph} has {len(first)} inputs in one "
            f"({', '.join(repr(n) for n, _ in first)}) and {len(second)} in the other "
            f"({', '.join(repr(n) for n, _ in second)})."
        )
    named, wanted = dict(first), dict(second)
    if named.keys() == wanted.keys() and len(named) == len(first):
        return {j: named[name] for name, j in second}
    return {j: i for (_, i), (_, j) in zip(first, second, strict=True)}


def _named_inputs(model: Model, subgraph: int) -> list[tuple[str, int]]:
    """Names, which may be alike, and tensors."""
    graph = model.subgraphs[subgraph]
    called = {t: name for s in model.signatures if s.subgraph_index == subgraph for name, t in s.inputs}
    return [(called.get(t) or graph.tensors[t].name or f"input {i}", t) for i, t in enumerate(graph.inputs)]


def _itself(model: Model) -> Alignment:
    every = ((s, t) for s, graph in enumerate(model.subgraphs) for t in range(len(graph.tensors)))
    return Alignment({key: key for key in every}, (), ())


class _Aligner:
    """Two subgraphs, and the counterparts found so far: by tensor of the second."""

    def __init__(self, a: Model, b: Model, first: Subgraph, second: Subgraph):
        self.a, self.b, self.first, self.second = a, b, first, second
        self.found: dict[int, int] = {}
        self._constants = [_constants(m, g) for m, g in ((a, first), (b, second))]
        self._by_name = {t.name: i for i, t in reversed(list(enumerate(first.tensors))) if t.name}
        self._by_first_name, self._second_first = _first_names(first), _first_names(second)
        self._operators = self._of_same_inputs()

    def run(self, known: dict[int, int]) -> dict[int, int]:
        self.found = dict(known)
        for j, tensor in enumerate(self.second.tensors):
            self._pair(j, self._by_name.get(tensor.name or ""))
        for operator in self.second.operators:
            self._by_producer(operator)
            for j in operator.outputs or ():
                self._by_joined_name(j)
            if self._name(self.b, operator) in CONVERSIONS:
                self._pass_on(*_ends(operator))
        for operator in reversed(self.second.operators):
            if self._name(self.b, operator) in CONVERSIONS:
                self._pass_on(*reversed(_ends(operator)))
        return self.found

    def _pair(self, j: int, i: int | None) -> None:
        """Note counterparts, unless they cannot be."""
        if i is None or j in self.found or j in self._constants[1] or i in self._constants[0]:
            return
        if _fit(self.first.tensors[i], self.second.tensors[j]):
            self.found[j] = i

    def _by_joined_name(self, j: int) -> None:
        name = (self.second.tensors[j].name or "").partition(";")[0]
        if self._second_first.get(name) == j:
            self._pair(j, self._by_first_name.get(name))

    def _by_producer(self, operator: Operator) -> None:
        """Results of the operator of the same kind that has the counterparts of the same inputs."""
        missing = [j for j in operator.outputs or () if j not in self.found]
        if not missing:
            return
        fed = [j for j in operator.inputs or () if j >= 0 and j not in self._constants[1]]
        key: tuple[str | int, ...] = (self._name(self.b, operator), *(self.found.get(j, -1) for j in fed))
        taken = set(self.found.values())
        for candidate in self._operators.get(key, ()):
            pairs = list(zip(operator.outputs or (), candidate.outputs or (), strict=False))
            fits = all(_fit(self.first.tensors[i], self.second.tensors[j]) for j, i in pairs)
            if fits and any(i not in taken for _, i in pairs):
                self.found |= {j: i for j, i in pairs if j in missing}
                return

    def _of_same_inputs(self) -> dict[tuple[str | int, ...], list[Operator]]:
        """The first model's operators by kind and by the tensors that are fed to them."""
        places: dict[tuple[str | int, ...], list[Operator]] = {}
        for operator in self.first.operators:
            fed = [i for i in operator.inputs or () if i >= 0 and i not in self._constants[0]]
            places.setdefault((self._name(self.a, operator), *fed), []).append(operator)
        return places

    def _pass_on(self, source: int, target: int) -> None:
        if target not in self.found and source in self.found and target not in self._constants[1]:
            i = self.found[source]
            if comparable(self.first.tensors[i], self.second.tensors[target]):
                self.found[target] = i

    def _name(self, model: Model, operator: Operator) -> str:
        return model.operator_codes[operator.opcode_index].name


def _first_names(graph: Subgraph) -> dict[str, int]:
    """Tensors by the first of the names that are joined in theirs, where that is no other's."""
    firsts = [(t.name or "").partition(";")[0] for t in graph.tensors]
    counts = Counter(firsts)
    return {name: i for i, name in enumerate(firsts) if name and counts[name] == 1}


def is_constant(model: Model, tensor: Tensor) -> bool:
    """Whether a tensor's value is in the file."""
    return bool(tensor.buffer) and model.buffers[tensor.buffer].data is not None and not tensor.is_variable


def from_constants(model: Model, s: int) -> set[int]:
    """What the operators of a subgraph compute from nothing but constants: of weights in half precision, say."""
    graph = model.subgraphs[s]
    known = _constants(model, graph)
    found: set[int] = set()
    for operator in graph.operators:
        fed = [t for t in operator.inputs or () if t >= 0]
        if fed and (known | found).issuperset(fed):
            found.update(t for t in operator.outputs or () if t >= 0)
    return found


def _constants(model: Model, graph: Subgraph) -> set[int]:
    return {i for i, t in enumerate(graph.tensors) if is_constant(model, t)}


def _ends(operator: Operator) -> tuple[int, int]:
    return (operator.inputs or (-1,))[0], (operator.outputs or (-1,))[0]


def _fit(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors could have the same shape, and values that can be held against each other."""
    one, other = (t.shape_signature or t.shape or () for t in (a, b))
    same = len(one) == len(other) and all(m == n or -1 in (m, n) for m, n in zip(one, other, strict=True))
    return same and comparable(a, b)


def _strangers(a: Model, b: Model, results_a: list[Key], results_b: list[Key]) -> ArgumentError:
    names_a, names_b = (
        [m.subgraphs[s].tensors[t].name or "" for s, t in r] for m, r in ((a, results_a), (b, results_b))
    )
    shapes = _other_shapes(a, b, results_a, results_b)
    if shapes:
        return ArgumentError(f"the models do not correspond: {shapes}")
    close = next((f"{n!r}{near}" for n in names_b if n and (near := nearest(n, filter(None, names_a)))), "")
    example = close or f"{names_b[0]!r}, and of the first {names_a[0] if names_a else 'nothing'!r}"
    return ArgumentError(
        "the models do not correspond: no operator of the second computes a tensor that has the name, or the producer, "
        f"of one in the first. The second computes, for example, {example}."
    )


def _other_shapes(a: Model, b: Model, results_a: list[Key], results_b: list[Key]) -> str:
    """What is to be said where results have the same names, and other shapes."""
    named = {t.name: t for t in (a.subgraphs[s].tensors[i] for s, i in results_a) if t.name}
    ours = [t for t in (b.subgraphs[s].tensors[i] for s, i in results_b) if t.name in named]
    if not ours:
        return ""
    last = ours[-1]
    first, second = (list(t.shape_signature or t.shape or ()) for t in (named[last.name or ""], last))
    return (
        "no operator of the second computes a tensor that has the name and the shape of one in the first. "
        f"{last.name!r} is in both, {first} in the first and {second} in the second."
    )
