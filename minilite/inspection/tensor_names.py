"""Which tensor, which operator is meant by what a person types, and what to suggest where nothing is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

from minilite.errors import ArgumentError, ArgumentTypeError


def find_tensor(names: Sequence[str], wanted: str | int, kinds: Iterable[str] = ()) -> int:
    """The index of a tensor: the index itself (also as ``"7"`` or ``"t7"``), its name, or a part of the name that no
    other tensor's name has.

    Raises :class:`ArgumentError` with the nearest name (or kind of operator, where such may be meant) where there is
    none, or with some where there are several."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | str):
        raise ArgumentTypeError(f"expected a tensor's name or index, got {wanted!r}.")
    if isinstance(wanted, int):
        return _index(wanted, len(names))
    firsts = [name.split(";")[0] for name in names]  # of a fused tensor, what TFLiteConverter names first
    ends = [i for i, name in enumerate(firsts) if name.endswith(f"/{wanted}")]
    for found in (_equal(names, wanted), _equal(firsts, wanted), ends, _containing(names, wanted)):
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(f"{i} {short(names[i])!r}" for i in found[:4])
            more = ", ..." if len(found) > 4 else ""
            raise ArgumentError(f"{wanted!r} may be {len(found)} tensors: {some}{more}. Give the index.")
    numbered = re.fullmatch(r"t?(-?\d+)", wanted)
    if numbered:
        return _index(int(numbered[1]), len(names))
    kind = difflib.get_close_matches(wanted.upper(), set(kinds), 1)
    if kind:
        raise ArgumentError(f"no operator and no tensor is called {wanted!r} (did you mean {kind[0]!r}?).")
    raise ArgumentError(f"no tensor is called {wanted!r}{nearest_name(wanted, names)}.")


def _index(index: int, count: int) -> int:
    if not 0 <= index < count:
        raise ArgumentError(f"expected a tensor's index from 0 to {count - 1}, got {index}.")
    return index


def _equal(names: Sequence[str], wanted: str) -> list[int]:
    return [i for i, name in enumerate(names) if name == wanted and name]


def _containing(names: Sequence[str], wanted: str) -> list[int]:
    """Tensors of whose name it is a whole part, between signs; else, if it is no number, any part."""
    whole = [i for i, name in enumerate(names) if wanted in re.split(r"[/;:]", name)]
    return whole or ([] if re.fullmatch(r"t?-?\d+", wanted) or not wanted else _within(names, wanted))


def _within(names: Sequence[str], wanted: str) -> list[int]:
    return [i for i, name in enumerate(names) if wanted in name]


def nearest_name(wanted: str, names: Sequence[str]) -> str:
    """Looks at whole names, then at their parts."""
    parts = [part for name in names for part in parts_of(name)]
    for known in (list(names), parts):
        near = difflib.get_close_matches(wanted, known, 1)
        if near:
            return f" (did you mean {near[0]!r}?)"
    return f" (there are {len(names)})" if names else ""


def parts_of(name: str) -> Iterator[str]:
    """What a person may call a tensor by: of the names that a converter joined each, without the scopes it is in, and
    each scope."""
    for joined in name.split(";"):
        scopes = joined.split("/")
        yield from ("/".join(scopes[i:]) for i in range(len(scopes)))
        yield from (part for scope in scopes for part in scope.split(":") if part)


def find_operator(operators: Sequence[str], results: Sequence[Sequence[str]], wanted: str | int) -> int:
    """The index of an operator: the index itself (also as ``"7"``), its kind if there is one of it, or what it writes.

    ``operators`` are the kinds, ``results`` the names of what each writes. Raises :class:`ArgumentError`."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | str):
        raise ArgumentTypeError(f"expected an operator's index or kind, or a tensor's name, got {wanted!r}.")
    if isinstance(wanted, int) or re.fullmatch(r"-?\d+", wanted):
        index = int(wanted)
        if 0 <= index < len(operators):
            return index
        raise ArgumentError(f"expected an operator's index from 0 to {len(operators) - 1}, got {index}.")
    kinds = [i for i, kind in enumerate(operators) if kind == wanted.upper()]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise ArgumentError(f"there are {len(kinds)} of {wanted.upper()}: {', '.join(map(str, kinds))}. Give a number.")
    flat = [(name, i) for i, names in enumerate(results) for name in names]
    try:
        return flat[find_tensor([name for name, _ in flat], wanted)][1]
    except ArgumentError as error:
        near = difflib.get_close_matches(wanted.upper(), set(operators), 1)
        if near and "may be" not in str(error):
            raise ArgumentError(f"no operator is called {wanted!r} (did you mean {near[0]!r}?).") from None
        raise


def short(name: str, width: int = 40) -> str:
    """The name in at most ``width`` characters: of a fused tensor the first name, of a long one the end."""
    name = name.split(";")[0] or name
    return name if len(name) <= width else "…" + name[1 - width :]
