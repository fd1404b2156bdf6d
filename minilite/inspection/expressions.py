"""Expressions over tensors, as a debugger's watches have them: ``max(conv1) > 6``, ``any(x == 127)``, ``nan(result)``.

    tensors     a name; ``"a/name with signs"`` in quotes; ``t7`` by index; ``result``: what the operator before wrote
    values      as they are stored; ``real(x)``: what they stand for, scale * (q - zero_point)
    functions   abs all any argmax argmin count inf max mean min nan real size std sum
    operators   + - * / // %, comparisons, ``and or not``, subscripts with numbers and slices

They are parsed by :mod:`ast`, and nothing but the above is computed: no attribute, no call of anything else. Integers
are computed in int64, so that nothing overflows a tensor's type.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.errors import ArgumentError

RESULT = "result"
"""The name that stands for what the operator before wrote."""

LONGEST = 1000
"""Characters of an expression."""


def _count(x: np.ndarray) -> int:
    return int(np.count_nonzero(x))


def _real(x: np.ndarray) -> np.ndarray:
    raise AssertionError("real() is computed by name, see Expression")


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "all": np.all,
    "any": np.any,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "count": _count,
    "inf": lambda x: bool(np.isinf(x).any()),
    "max": np.max,
    "mean": lambda x: np.mean(x, dtype=np.float64),
    "min": np.min,
    "nan": lambda x: bool(np.isnan(x).any()),
    "real": _real,
    "size": np.size,
    "std": lambda x: np.std(x, dtype=np.float64),
    "sum": lambda x: np.sum(x, dtype=np.float64) if np.asarray(x).dtype.kind == "f" else np.sum(x),
}

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
UNARY: dict[type, Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: lambda x: not x}

Find = Callable[[str], int]
"""A tensor's index by its name; raises :class:`ArgumentError` for an unknown one."""
Look = Callable[[int | None, bool], np.ndarray]
"""The value of a tensor (None: the last result), or the real numbers it stands for."""


@dataclass(frozen=True, eq=False)
class Expression:
    """A parsed expression; ``tensors`` are those it reads, by index, None for the last result."""

    text: str
    tree: ast.expr
    names: dict[str, int | None]

    @property
    def tensors(self) -> set[int | None]:
        return set(self.names.values())

    def value(self, look: Look) -> Any:
        """What it comes to: an array, a number or a truth. Raises :class:`ArgumentError` when it cannot be computed."""
        try:
            with np.errstate(all="ignore"):
                return self._of(self.tree, look)
        except (TypeError, ValueError, IndexError, ArithmeticError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"cannot compute {self.text!r}: {error}.") from None

    def holds(self, look: Look) -> bool:
        """Whether it is true. Raises :class:`ArgumentError` for an array of several elements."""
        found = self.value(look)
        if np.size(found) != 1:
            raise ArgumentError(
                f"{self.text!r} is an array of shape {list(np.shape(found))}, not a truth: "
                f"say any({self.text}) or all({self.text})."
            )
        return bool(np.asarray(found).reshape(-1)[0])

    def _of(self, node: ast.expr, look: Look) -> Any:
        match node:
            case ast.Constant(value=str(name)) | ast.Name(id=name):
                return wide(look(self.names[name], False))
            case ast.Constant(value=number):
                return number
            case ast.Call(func=ast.Name(id="real"), args=[ast.Name(id=name) | ast.Constant(value=str(name))]):
                return look(self.names[name], True)
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return FUNCTIONS[name](self._of(argument, look))
            case ast.Compare():
                return self._compare(node, look)
            case ast.BoolOp():
                return self._truth(node, look)
            case ast.BinOp():
                return BINARY[type(node.op)](self._of(node.left, look), self._of(node.right, look))
            case ast.UnaryOp():
                return UNARY[type(node.op)](self._of(node.operand, look))
            case ast.Subscript():
                return self._of(node.value, look)[index(node.slice)]
        raise AssertionError(node)

    def _compare(self, node: ast.Compare, look: Look) -> Any:
        values = [self._of(n, look) for n in (node.left, *node.comparators)]
        found = [BINARY[type(op)](a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False)]
        return found[0] if len(found) == 1 else np.logical_and.reduce(found)

    def _truth(self, node: ast.BoolOp, look: Look) -> bool:
        truths = (bool(self._of(n, look)) for n in node.values)
        return all(truths) if isinstance(node.op, ast.And) else any(truths)


def wide(array: np.ndarray) -> np.ndarray:
    """Integers of up to 32 bits as int64."""
    return array.astype(np.int64) if array.dtype.kind in "iu" and array.dtype != np.uint64 else array


def parse(text: str, find: Find) -> Expression:
    """The expression. Raises :class:`ArgumentError` for what is none, with the nearest name for one that is unknown."""
    if len(text) > LONGEST:
        raise ArgumentError(f"an expression has at most {LONGEST} characters, got {len(text)}.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ArgumentError(f"{text!r} is no expression: {reason}. Put names with signs in quotes.") from None
    names: dict[str, int | None] = {}
    try:
        _check(tree, find, names)
    except RecursionError:
        raise ArgumentError("the expression is nested too deeply.") from None
    return Expression(text.strip(), tree, names)


def _check(node: ast.expr, find: Find, names: dict[str, int | None]) -> None:
    """Raise :class:`ArgumentError` unless :meth:`Expression.value` can take the tree; collect its tensors."""
    match node:
        case ast.Name(id=name) | ast.Constant(value=str(name)):
            names[name] = None if name == RESULT else find(name)
            return
        case ast.Constant(value=bool() | int() | float()):
            return
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
            _check_function(name, argument)
            parts = [argument]
        case ast.Call():
            raise ArgumentError(f"expected a function of one tensor, got {ast.unparse(node)!r}. {_functions()}")
        case ast.Compare(ops=ops) if all(type(op) in BINARY for op in ops):
            parts = [node.left, *node.comparators]
        case ast.BoolOp():
            parts = node.values
        case ast.BinOp(op=op) if type(op) in BINARY:
            parts = [node.left, node.right]
        case ast.UnaryOp(op=op) if type(op) in UNARY:
            parts = [node.operand]
        case ast.Subscript():
            index(node.slice)
            parts = [node.value]
        case _:
            raise ArgumentError(f"{ast.unparse(node)!r} cannot be part of an expression. {_functions()}")
    for part in parts:
        _check(part, find, names)


def _check_function(name: str, argument: ast.expr) -> None:
    if name not in FUNCTIONS:
        near = difflib.get_close_matches(name, FUNCTIONS, 1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ArgumentError(f"there is no function {name!r}{meant}. {_functions()}")
    named = isinstance(argument, ast.Name) or (isinstance(argument, ast.Constant) and isinstance(argument.value, str))
    if name == "real" and not named:
        raise ArgumentError("real() takes a tensor's name: real(x)[0] rather than real(x[0]).")


def _functions() -> str:
    return f"Functions: {', '.join(FUNCTIONS)}."


def index(node: ast.expr) -> Any:
    """A subscript of numbers, slices and ``...`` as NumPy takes it. Raises :class:`ArgumentError` for any other."""
    match node:
        case ast.Tuple():
            return tuple(index(part) for part in node.elts)
        case ast.Slice():
            return slice(*(None if part is None else index(part) for part in (node.lower, node.upper, node.step)))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
        case ast.Constant(value=int(number)):
            return number
        case ast.Constant(value=value) if value is ...:
            return ...
    raise ArgumentError(f"expected numbers and slices in brackets, got [{ast.unparse(node)}].")


def parse_index(text: str) -> Any:
    """The subscript ``[0, 2:4]`` as NumPy takes it."""
    try:
        node = ast.parse(f"x{text}", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ArgumentError(f"{text!r} is no subscript: {error.__class__.__name__}. Say [0, 2:4].") from None
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        raise ArgumentError(f"{text!r} is no subscript. Say [0, 2:4].")
    return index(node.slice)
