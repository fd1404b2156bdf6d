"""A calibration: the range of every tensor of a model, where it comes from, and what is suspicious about it.

calibration.ranges[0, 7]                 # (lowest, highest) of tensor 7 of subgraph 0
calibration.save("ranges.json")          # a file to look at, to edit, and to use again
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.model import Model
from minilite.quantization.inputs import nearest
from minilite.quantization.lint import Finding
from minilite.quantization.recording import Key, name_of, observed
from minilite.writing import replacing

Range = tuple[float, float]


@dataclass(frozen=True)
class Statistics:
    """How a tensor's extremes came about: the lowest and highest value, the (first) sample each is from, what they
    would be without that sample, and the mean of all samples' own."""

    low: float
    high: float
    low_sample: int
    high_sample: int
    second_low: float
    second_high: float
    mean_low: float
    mean_high: float


@dataclass(frozen=True)
class Calibration:
    """The ranges of float32 tensors that are no constants, by (subgraph index, tensor index); variables have one, too.

    method      see :mod:`minilite.quantization.calibrating`; ``recorded`` for ranges that were given
    ranges      (lowest, highest), numbers that float32 can hold. A tensor that was never computed has none
    samples     how many there were; 0 for ranges that were given
    names       the tensors' names
    findings    what is suspicious (:mod:`minilite.quantization.lint`)
    statistics  see :class:`Statistics`; empty for ranges that were given
    """

    method: str
    ranges: Mapping[Key, Range]
    samples: int
    names: Mapping[Key, str]
    findings: tuple[Finding, ...] = ()
    statistics: Mapping[Key, Statistics] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .json file with a line for each tensor; a file that is there is replaced as a whole."""
        with replacing(path) as beside:
            beside.write_text(_text(self), encoding="utf-8", errors="backslashreplace")  # JSON escapes, too

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read what :meth:`save` wrote, by hand changed or not: only names, indices and ranges must be there.

        Raises :class:`ArgumentError` saying what is wrong."""
        return _Reader(str(path)).calibration(_json(path))

    def fitted(self, model: Model) -> Calibration:
        """The same calibration for a model whose tensors may be numbered in another way: they are found by name.

        Raises :class:`ArgumentError` for tensors that the model has not."""
        places = {key: _place(model, key, self.names[key]) for key in self.ranges}
        return dataclasses.replace(
            self,
            ranges={places[k]: r for k, r in self.ranges.items()},
            names={place: name_of(model, place) for place in places.values()},
            statistics={places[k]: s for k, s in self.statistics.items() if k in places},
        )

    def compare(self, other: Calibration) -> list[Difference]:
        """Where another calibration of the same model differs, the largest difference first."""
        found = [Difference(self.names[k], k, self.ranges.get(k), other.ranges.get(k)) for k in self._all(other)]
        return sorted((d for d in found if d.mine != d.theirs), key=lambda d: -d.relative)

    def _all(self, other: Calibration) -> Iterator[Key]:
        yield from self.ranges
        yield from (k for k in other.ranges if k not in self.ranges and k in self.names)

    def __repr__(self) -> str:
        return (
            f"<Calibration {self.method!r}: ranges of {len(self.ranges)} tensors from {self.samples} samples, "
            f"{len(self.findings)} findings>"
        )


@dataclass(frozen=True)
class Difference:
    """A tensor of which two calibrations have different ranges; None stands for no range."""

    tensor: str
    key: Key
    mine: Range | None
    theirs: Range | None

    @property
    def relative(self) -> float:
        """The larger difference of an end, as a share of the wider range; infinite where one has none."""
        if self.mine is None or self.theirs is None:
            return math.inf
        apart = max(abs(a - b) for a, b in zip(self.mine, self.theirs, strict=True))
        return apart / max(max(high, 0) - min(low, 0) for low, high in (self.mine, self.theirs))


def recorded(model: Model, ranges: Mapping[str, Any] | str | os.PathLike[str]) -> Calibration:
    """A calibration of given ranges: ``{tensor name: (lowest, highest)}``, or the path of a .json file of that.

    Raises :class:`ArgumentError` for names that the model has not, and what is no range."""
    if not isinstance(ranges, Mapping | str | os.PathLike):
        raise ArgumentTypeError(
            f"ranges: expected {{tensor name: (lowest, highest)}} or the path of a .json file, got {ranges!r:.60}."
        )
    given = ranges if isinstance(ranges, Mapping) else _json(ranges)
    keys: dict[str, list[Key]] = {}
    for key in observed(model):
        keys.setdefault(name_of(model, key), []).append(key)
    found: dict[Key, Range] = {}
    for name, pair in given.items():
        if name not in keys:
            raise ArgumentError(f"no float32 tensor is called {name!r}{nearest(name, keys)}.")
        found.update(dict.fromkeys(keys[name], _range(pair, f"tensor {name!r}")))
    return Calibration("recorded", found, 0, {key: name_of(model, key) for key in found})


def _place(model: Model, key: Key, name: str) -> Key:
    """Where the tensor of that name is: at its old place, or elsewhere in the same subgraph."""
    keys = [k for k in observed(model) if name_of(model, k) == name]
    here = [k for k in keys if k == key] or [k for k in keys if k[0] == key[0]] or keys
    if len(here) != 1:
        known = [name_of(model, k) for k in observed(model)]
        raise ArgumentError(
            f"the calibration has a range for {name!r}, and {len(here) or 'no'} float32 tensors of the model are "
            f"called that{nearest(name, known)}: it was made with another model."
        )
    return here[0]


# ---- files -----------------------------------------------------------------------------------------------------------

FORMAT = "minilite calibration 1"


def _text(calibration: Calibration) -> str:
    """One line for each tensor and finding."""
    head = {"format": FORMAT, "method": calibration.method, "samples": calibration.samples}
    tensors = [_tensor(calibration, key) for key in calibration.ranges]
    findings = [dataclasses.asdict(f) for f in calibration.findings]
    lines = [f'  "{name}": {json.dumps(value)},' for name, value in head.items()]
    lines += _lines("tensors", tensors) + _lines("findings", findings)
    return "\n".join(["{", *lines]).rstrip(",") + "\n}\n"


def _lines(name: str, values: list[dict[str, Any]]) -> list[str]:
    each = [f"    {json.dumps(value, ensure_ascii=False)}," for value in values]
    return [f'  "{name}": [', *[*each[:-1], *(line.rstrip(",") for line in each[-1:])], "  ],"]


def _tensor(calibration: Calibration, key: Key) -> dict[str, Any]:
    low, high = calibration.ranges[key]
    entry = {"subgraph": key[0], "tensor": key[1], "name": calibration.names[key], "min": low, "max": high}
    statistics = calibration.statistics.get(key)
    return entry | ({"statistics": dataclasses.asdict(statistics)} if statistics else {})


def is_saved(path: str | os.PathLike[str]) -> bool:
    """Whether a file is what :meth:`Calibration.save` writes, and not plain ranges by name."""
    return "format" in _json(path)


def _json(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))  # editors put a mark in front
    except (OSError, ValueError) as error:
        raise ArgumentError(f"cannot read a calibration from {str(path)!r}: {error}.") from None
    if not isinstance(content, dict):
        raise ArgumentError(f"cannot read a calibration from {str(path)!r}: expected an object, got {content!r:.60}.")
    return content


@dataclass(frozen=True)
class _Reader:
    """Takes the content of a file apart; errors say which file and which entry."""

    path: str

    def calibration(self, content: dict[str, Any]) -> Calibration:
        if content.get("format") != FORMAT:
            raise ArgumentError(
                f"{self.path!r} is no saved calibration: expected 'format': {FORMAT!r}, got {content.get('format')!r}. "
                "A file of {name: [min, max]} is read by recorded(model, path)."
            )
        entries = [self._entry(entry, i) for i, entry in enumerate(self._list(content, "tensors"))]
        self._check_single(entries)
        return Calibration(
            str(content.get("method", "recorded")),
            {key: range_ for key, _, range_, _ in entries},
            self._count(content.get("samples", 0)),
            {key: name for key, name, _, _ in entries},
            tuple(Finding(**self._fields(f, Finding)) for f in self._list(content, "findings")),
            {key: statistics for key, _, _, statistics in entries if statistics},
        )

    def _check_single(self, entries: list[tuple[Key, str, Range, Statistics | None]]) -> None:
        seen: set[Key] = set()
        for position, (key, name, _, _) in enumerate(entries):
            if key in seen:
                raise ArgumentError(
                    f"{self.path!r}, tensors[{position}], {name!r}: tensor {key[1]} of subgraph {key[0]} has an entry "
                    "already."
                )
            seen.add(key)

    def _count(self, value: Any) -> int:
        if not isinstance(value, int):
            raise ArgumentError(f"{self.path!r}: expected a whole number at 'samples', got {value!r}.")
        return value

    @staticmethod
    def _whole(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{value!r} is no whole number")
        return value

    def _list(self, content: dict[str, Any], name: str) -> list[Any]:
        found = content.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ArgumentError(f"{self.path!r}: expected a list of objects at {name!r}.")
        return found

    def _entry(self, entry: dict[str, Any], position: int) -> tuple[Key, str, Range, Statistics | None]:
        where = f"{self.path!r}, tensors[{position}]"
        try:
            key = self._whole(entry.get("subgraph", 0)), self._whole(entry["tensor"])
            name = str(entry["name"])
            pair = entry["min"], entry["max"]
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(f"{where}: expected 'tensor' (an index), 'name', 'min', 'max': {error}.") from None
        statistics = entry.get("statistics")
        known = Statistics(**self._fields(statistics, Statistics)) if statistics else None
        return key, name, _range(pair, f"{where}, {name!r}"), known

    def _fields(self, values: dict[str, Any], kind: Any) -> dict[str, Any]:
        names = [f.name for f in dataclasses.fields(kind)]
        missing = [name for name in names if name not in values]
        if missing:
            raise ArgumentError(f"{self.path!r}: {kind.__name__.lower()} lacks {', '.join(missing)}.")
        return {name: values[name] for name in names}


def _range(pair: Any, what: str) -> Range:
    """Two numbers as a range that float32 can hold."""
    try:
        if any(isinstance(end, str | bytes) for end in pair):
            raise ValueError
        with np.errstate(over="ignore"):
            low, high = (np.float32(end) for end in pair)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{what}: expected (lowest, highest), got {pair!r}.") from None
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ArgumentError(f"{what}: expected finite numbers, the lower one first, got {pair!r}.")
    if not is_range(float(low), float(high)):
        raise ArgumentError(f"{what}: expected a range whose width float32 can hold, got {pair!r}.")
    return float(low), float(high)


def is_range(low: float, high: float) -> bool:
    """Whether float32 holds both ends and the width, 0 included."""
    with np.errstate(over="ignore", invalid="ignore"):
        width = np.float32(max(high, 0.0)) - np.float32(min(low, 0.0))
    return bool(np.isfinite(width) and low <= high)
