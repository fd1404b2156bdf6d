"""A parser for as much of the .fbs language as ``additions.fbs`` needs, and its merging into a schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bindings import Row, Schema

SCALARS = {
    "bool": "bool",
    "byte": "int8",
    "ubyte": "uint8",
    "short": "int16",
    "ushort": "uint16",
    "int": "int32",
    "uint": "uint32",
    "long": "int64",
    "ulong": "uint64",
    "float": "float32",
    "double": "float64",
}
DECLARATION = re.compile(r"(enum|union|table)\s+(\w+)\s*(?::\s*\w+\s*)?\{(.*?)\}", re.DOTALL)
MEMBER = re.compile(r"\s*(\w+)\s*=\s*(\d+)\s*")
FIELD = re.compile(r"\s*(\w+)\s*:\s*(\[)?(\w+)\]?\s*(?:\((.*?)\))?\s*")


@dataclass
class Field:
    """One declared field: its kind in the rows' language, and its attributes."""

    name: str
    kind: str
    slot: int | None
    align: int | None


def _field(text: str) -> Field:
    match = FIELD.fullmatch(text)
    if match is None:
        raise ValueError(f"not a field: {text.strip()!r}")
    name, is_vector, kind, attributes = match.groups()
    given = dict(re.findall(r"(\w+)(?:\s*:\s*(\d+))?", attributes or ""))
    kind = SCALARS.get(kind, kind)
    if is_vector:
        kind = f"array[{kind}]" if "array" in given else f"[{kind}]"
    slot, align = (int(given[key]) if key in given else None for key in ("id", "force_align"))
    return Field(name, kind, slot, align)


def _declarations(text: str) -> Iterator[tuple[str, str, str]]:
    text = re.sub(r"//.*", "", text)
    yield from (match.groups() for match in DECLARATION.finditer(text))  # type: ignore[misc]  # three groups
    rest = re.sub(r'attribute "\w+";', "", DECLARATION.sub("", text)).strip()
    if rest:
        raise ValueError(f"cannot read this part of additions.fbs: {rest[:80]!r}")


def _default(schema: Schema, kind: str, default: object) -> object:
    """The default as the rows spell it: an enumeration's is a name, an offset has none."""
    if kind in schema.enums:
        return schema.enums[kind][default or 0]  # type: ignore[index]  # bindings give enumerations integer defaults
    if kind in SCALARS.values():
        return default or 0
    return None


def _merge_field(schema: Schema, rows: dict[str, Row], added: Field) -> None:
    slot, _, _, default = rows.get(added.name, (len(rows), "", "", None))
    slot = slot if added.slot is None else added.slot
    rows[added.name] = slot, added.name, added.kind, _default(schema, added.kind, default)


def _merge_codes(codes: dict[int, str], body: str) -> None:
    for member in filter(str.strip, body.split(",")):
        match = MEMBER.fullmatch(member)
        if match is None:
            raise ValueError(f"a member needs its value: {member.strip()!r}")
        codes[int(match[2])] = match[1]


def merge(schema: Schema, text: str) -> dict[str, int]:
    """Extend ``schema`` by the declarations in ``text``; return alignments by ``"Table.field"``."""
    alignment = {}
    for keyword, name, body in _declarations(text):
        if keyword == "table":
            fields = [_field(part) for part in body.split(";") if part.strip()]
            rows = {row[1]: row for row in schema.tables.get(name, [])}
            for added in fields:
                _merge_field(schema, rows, added)
            schema.tables[name] = sorted(rows.values(), key=lambda row: row[0])
            alignment.update({f"{name}.{added.name}": added.align for added in fields if added.align})
        else:
            known = schema.enums if keyword == "enum" else schema.unions
            _merge_codes(known.setdefault(name, {}), body)
    return alignment
