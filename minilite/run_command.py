"""What ``minilite run`` does: arrays from files or at random, one run, and the outputs described."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minilite.errors import ArgumentError
from minilite.inspection.listing import Section, columns
from minilite.model import Model, Quantization, Tensor
from minilite.reader import read
from minilite.spec import DTYPES


@dataclass(frozen=True, eq=False)
class Run:
    """One run: the outputs by name, and the quantization each output tensor has in the file."""

    outputs: dict[str, np.ndarray]
    quantizations: tuple[Quantization | None, ...]


def run_files(path: Path, arguments: Sequence[str], seed: int | None, kernels: str, engine: str) -> Run:
    """Run a model's main subgraph on arrays from files, each argument ``[NAME=]FILE``.

    Files without a name go to the inputs in order. Inputs without a file are drawn at random from ``seed``; without a
    seed they are an :class:`ArgumentError`.
    """
    import minilite

    model = read(path)
    graph = model.subgraphs[0]
    given = place(_load_all(arguments), input_names(model))
    generator = None if seed is None else np.random.default_rng(seed)
    inputs = []
    for position, index in enumerate(graph.inputs):
        if position in given:
            inputs.append(given[position])
        elif generator is not None:
            inputs.append(draw(graph.tensors[index], generator))
        else:
            raise ArgumentError(f"no file for input {graph.tensors[index].name!r}; give one, or --random")
    outputs = minilite.run(model, inputs, kernels=kernels, engine=engine)
    return Run(outputs, tuple(graph.tensors[i].quantization for i in graph.outputs))


def input_names(model: Model) -> list[set[str]]:
    """For every input of the main subgraph the names it answers to: its tensor's, and those in signatures."""
    graph = model.subgraphs[0]
    pairs = [pair for s in model.signatures if s.subgraph_index == 0 for pair in s.inputs]
    return [{graph.tensors[i].name or "", *(name for name, tensor in pairs if tensor == i)} for i in graph.inputs]


def place(arrays: Iterable[tuple[str | None, np.ndarray]], names: Sequence[set[str]]) -> dict[int, np.ndarray]:
    """Arrays by the position of their input: named ones where the name belongs, the others in order."""
    placed: dict[int, np.ndarray] = {}
    for name, array in arrays:
        position = _position(name, names, placed)
        if position in placed:
            raise ArgumentError(f"input {name!r} was given twice")
        placed[position] = array
    return placed


def _position(name: str | None, names: Sequence[set[str]], taken: Mapping[int, np.ndarray]) -> int:
    free = [i for i in range(len(names)) if (i not in taken if name is None else name in names[i])]
    if not free:
        known = "; ".join(" or ".join(sorted(n)) for n in names)
        wrong = f"there are only {len(names)} inputs" if name is None else f"no input is called {name!r}"
        raise ArgumentError(f"{wrong}; the model has: {known}")
    return free[0]


def _load_all(arguments: Iterable[str]) -> Iterator[tuple[str | None, np.ndarray]]:
    for argument in arguments:
        name, separator, file = argument.partition("=")
        if separator and not Path(argument).exists():
            yield name, load(Path(file))
        elif Path(argument).suffix == ".npz":
            yield from load_npz(Path(argument))
        else:
            yield None, load(Path(argument))


def load(path: Path) -> np.ndarray:
    """The array of a .npy file. Raises :class:`ArgumentError` saying why it is none."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArgumentError(f"cannot read an array from {str(path)!r}: {error}") from None
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"{str(path)!r} holds several arrays; give a .npy file, or the .npz without a name")
    return array


def load_npz(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of an .npz file by their names."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield from arrays.items()
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArgumentError(f"cannot read arrays from {str(path)!r}: {error}") from None


def draw(tensor: Tensor, generator: np.random.Generator) -> np.ndarray:
    """A random array for an input: floats in [0, 1), quantized integers of the type's whole range, others 0 or 1."""
    dtype = np.dtype(DTYPES.get(str(tensor.type).lower(), np.object_))
    shape = tensor.shape or ()
    if dtype.kind in "fc":
        return np.asarray(generator.random(shape)).astype(dtype)
    if dtype.kind == "O":
        raise ArgumentError(f"input {tensor.name!r} is of type {tensor.type}, which --random cannot draw")
    quantized = tensor.quantization is not None and tensor.quantization.scales is not None
    if not quantized or dtype.kind == "b":
        return np.asarray(generator.integers(0, 2, shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return np.asarray(generator.integers(limits.min, limits.max, shape, dtype, endpoint=True))


def describe(run: Run) -> Iterator[Section]:
    """Each output with its type, shape, extremes, mean and first values."""
    for (name, array), quantization in zip(run.outputs.items(), run.quantizations, strict=True):
        rows = [("", "min", "max", "mean", "first values"), ("stored", *_statistics(array))]
        real = _real(array, quantization)
        if real is not None:
            rows.append(("real", *_statistics(real)))
        yield f"{name}  {array.dtype} {list(array.shape)}", columns(rows)


def _statistics(array: np.ndarray) -> tuple[str, str, str, str]:
    first = " ".join(_number(value) for value in array.ravel()[:6])
    more = " ..." if array.size > 6 else ""
    if array.size == 0 or array.dtype.kind not in "fiu":
        return "", "", "", first + more
    return _number(array.min()), _number(array.max()), _number(array.mean(dtype=np.float64)), first + more


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _real(array: np.ndarray, quantization: Quantization | None) -> np.ndarray | None:
    """``scale * (q - zero_point)`` of a per-tensor quantized array."""
    scales = None if quantization is None else quantization.scales
    if quantization is None or scales is None or scales.size != 1 or array.dtype.kind not in "iu":
        return None
    zero_points = quantization.zero_points
    zero_point = 0 if zero_points is None or not zero_points.size else int(zero_points[0])
    return np.asarray(np.float64(scales[0]) * (array.astype(np.int64) - zero_point))


def save(path: Path, outputs: Mapping[str, np.ndarray]) -> None:
    """Write arrays as an .npz whose names may be anything, ``file`` included, which ``np.savez`` would not take."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in outputs.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
