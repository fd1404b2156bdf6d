"""What two quantizers made of the random networks, as one compressed file (tests/data/quantizers.npz).

``python -m tests.record_quantizers`` makes it; it is read here. The networks are not in it: their seeds are, and a
checksum of each, so that a generator that changed is found and not taken for a quantizer that did.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minilite.model import Model
from tests.quantized_form import Operand, form_of

PATH = Path(__file__).parent / "data" / "quantizers.npz"
TYPES = ("", "FLOAT32", "INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL", "INT4", "FLOAT16")

Ranges = dict[str, tuple[float, float]]


@dataclass
class Answer:
    """One quantizer's: the ranges it worked from, its operands (:func:`tests.quantized_form.described`), and how many
    QUANTIZE and DEQUANTIZE operators it put in."""

    ranges: Ranges
    operands: list[Operand]
    between: tuple[int, int]


@dataclass
class Recording:
    """Everything known about the network of one seed; a scheme that its quantizer refused is absent."""

    seed: int
    checksum: int
    answers: dict[str, Answer] = field(default_factory=dict)


def checksum(model: Model) -> int:
    """Of operators, names, shapes and constants, whatever the writer does with them."""
    text = [repr((c.name, c.version)) for c in model.operator_codes]
    graph = model.subgraphs[0]
    text += [repr((t.name, t.type, t.shape, t.is_variable)) for t in graph.tensors]
    text += [repr((o.opcode_index, o.inputs, o.outputs, o.options)) for o in graph.operators]
    text += [repr((graph.inputs, graph.outputs))]
    total = zlib.crc32("\n".join(text).encode())
    for buffer in model.buffers:
        total = zlib.crc32(b"" if buffer.data is None else buffer.data.tobytes(), total)
    return total


def ranged(model: Model) -> list[str]:
    """Names of the tensors that may have a range: float32 and no constants."""
    return [str(t.name) for t in model.subgraphs[0].tensors if t.type == "FLOAT32" and not t.buffer]


def save(recordings: Sequence[Recording], names: Mapping[int, list[str]], path: Path = PATH) -> None:
    """Write recordings; ``names`` are each seed's tensors, in the order of :func:`ranged`."""
    seeds = {"seeds": [r.seed for r in recordings], "checksums": [r.checksum for r in recordings]}
    arrays = {k: np.array(v, np.uint32) for k, v in seeds.items()}
    for scheme in sorted({s for r in recordings for s in r.answers}):
        answers = [r.answers.get(scheme) for r in recordings]
        flat = [o for a in answers if a for o in a.operands]
        missing = (np.nan, np.nan)
        ranges = [
            a.ranges.get(n, missing) for r, a in zip(recordings, answers, strict=True) if a for n in names[r.seed]
        ]
        arrays |= {
            f"{scheme}/operands": np.array([len(a.operands) if a else 0 for a in answers], np.uint16),
            f"{scheme}/between": np.array([a.between if a else (0, 0) for a in answers], np.uint8),
            f"{scheme}/ranges": np.array(ranges, np.float32),
            f"{scheme}/types": np.array([TYPES.index(o.type) for o in flat], np.uint8),
            f"{scheme}/axes": np.array([o.axis for o in flat], np.uint8),
            f"{scheme}/data": np.array([o.data for o in flat], np.uint32),
            f"{scheme}/counts": np.array([len(o.scales) for o in flat], np.uint16),
            f"{scheme}/scales": np.array([s for o in flat for s in o.scales], np.float32),
            f"{scheme}/zero_points": np.array([z for o in flat for z in o.zero_points], np.int16),
        }
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options


def load(network: object, path: Path = PATH) -> Iterator[Recording]:
    """Recordings in order. ``network`` makes the model of a seed, whose names operands and ranges have."""
    assert callable(network)
    with np.load(path) as file:
        arrays = dict(file)
    schemes = sorted({name.split("/")[0] for name in arrays if "/" in name})
    readers = {s: _Reader({k.split("/")[1]: v for k, v in arrays.items() if k.startswith(s + "/")}) for s in schemes}
    for index, (seed, crc) in enumerate(zip(arrays["seeds"].tolist(), arrays["checksums"].tolist(), strict=True)):
        model = network(seed)
        answers = {s: reader.answer(index, model) for s, reader in readers.items()}
        yield Recording(seed, crc, {s: a for s, a in answers.items() if a is not None})


class _Reader:
    """Reads one scheme's flat arrays from front to back."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.arrays = arrays
        self.operand = self.scale = self.range = 0

    def answer(self, index: int, model: Model) -> Answer | None:
        count = int(self.arrays["operands"][index])
        if not count:
            return None
        places = [o.where for o in form_of(model)]
        assert len(places) == count, "the network of this seed is another one now"
        names = ranged(model)
        pairs = self.arrays["ranges"][self.range : self.range + len(names)].tolist()
        self.range += len(names)
        known = {n: (low, high) for n, (low, high) in zip(names, pairs, strict=True) if not np.isnan(low)}
        quantize, dequantize = self.arrays["between"][index].tolist()
        return Answer(known, [self._next(where) for where in places], (quantize, dequantize))

    def _next(self, where: str) -> Operand:
        a, i = self.arrays, self.operand
        start, stop = self.scale, self.scale + int(a["counts"][i])
        self.operand, self.scale = i + 1, stop
        scales, zero_points = a["scales"][start:stop].tolist(), a["zero_points"][start:stop].tolist()
        type_ = TYPES[int(a["types"][i])]
        return Operand(where, type_, tuple(scales), tuple(zero_points), int(a["axes"][i]), int(a["data"][i]))
