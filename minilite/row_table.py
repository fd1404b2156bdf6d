"""A table of operators that are imported when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping

from minilite.spec import Op


class RowTable(MutableMapping[str, Op]):
    """Rows by operator name, from a table of ``file.ROW`` in :mod:`minilite.ops`."""

    def __init__(self, places: dict[str, str]):
        self._places = places
        self._rows: dict[str, Op] = {}

    def __getitem__(self, name: str) -> Op:
        if name not in self._rows:
            file, row = self._places[name].split(".")
            self._rows[name] = getattr(importlib.import_module(f"minilite.ops.{file}"), row)
        return self._rows[name]

    def __setitem__(self, name: str, row: Op) -> None:
        self._places.setdefault(name, "")
        self._rows[name] = row

    def __delitem__(self, name: str) -> None:
        del self._places[name]
        self._rows.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
