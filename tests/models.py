"""Real models, whole: the same seeded inputs to minilite and to LiteRT, outputs compared.

The folder in the environment variable ``MINILITE_MODELS`` holds ``index.json`` (a list with ``file``) or just .tflite
files;
``benchmarks/get_models.py`` makes one out of public packages.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import minilite
from minilite.errors import Error, UnsupportedOperatorError
from minilite.model import Model, Tensor
from minilite.spec import DTYPES
from minilite.testing.comparison import relative_to_range, steps_apart
from minilite.testing.ours import compute
from tests.known_differences import known, runs_alone
from tests.oracle import OracleDied, OracleError, oracle, runtime_of


class Undrawn(Exception):
    """The model has inputs that nothing here draws."""


@dataclass(frozen=True)
class Outcome:
    """What became of one model in one kernel set.

    verdict: ``equal`` (bit for bit), ``close`` (floats within 1e-5 of range, integers equal), ``different``,
    ``explained`` (different, and listed with its reason in tests/known_differences.py),
    ``unsupported`` (minilite has no row), ``refused`` (by both), ``alone`` (LiteRT does not run it, minilite does, and
    that is listed), ``undrawn`` (its inputs are of a kind that is not drawn here), ``error`` (ours).
    """

    file: str
    kernels: str
    verdict: str
    detail: str = ""


def folder() -> Path | None:
    """Where the models are, or None."""
    path = os.environ.get("MINILITE_MODELS")
    return Path(path) if path else None


def files() -> list[str]:
    """Relative paths of all models, sorted."""
    where = folder()
    if where is None:
        return []
    index = where / "index.json"
    if index.exists():
        return sorted(entry["file"] for entry in json.loads(index.read_text()))
    return sorted(str(p.relative_to(where)) for p in where.rglob("*.tflite"))


def inputs_of(model: Model, seed: int = 0) -> list[np.ndarray]:
    """Seeded data for the first subgraph's inputs: floats around 0, the whole range of 8 and 16 bit integers,
    small wider integers (they are often indices)."""
    random = np.random.default_rng(seed)
    graph = model.subgraphs[0]
    return [_filled(random, graph.tensors[i]) for i in graph.inputs]


def _filled(random: np.random.Generator, tensor: Tensor) -> np.ndarray:
    shape, dtype = tuple(tensor.shape or ()), np.dtype(DTYPES.get(str(tensor.type).lower(), np.object_))
    if min(shape, default=0) < 0 or math.prod(shape) > 2**28:
        raise Undrawn(f"inputs of shape {shape}")
    if dtype.kind == "f":
        return random.normal(size=shape).astype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.itemsize <= 2 else (0, 3)
        return random.integers(low, high, shape, endpoint=True).astype(dtype)
    if tensor.type == "STRING":
        words = [b"", b"a", b"minilite", "\u00fc".encode(), b"two words"]
        return np.array([words[i] for i in random.integers(0, len(words), math.prod(shape))], object).reshape(shape)
    raise Undrawn(f"inputs of type {tensor.type}")


def longer(model: Model) -> Model:
    """The model with the last dimension that the signature of a vector or matrix leaves open at 4,000 (sounds)."""
    graph = model.subgraphs[0]
    tensors = [_longer(t) if i in graph.inputs else t for i, t in enumerate(graph.tensors)]
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tuple(tensors)),))


def _longer(tensor: Tensor) -> Tensor:
    open_ = [i for i, d in enumerate(tensor.shape_signature or ()) if d < 0]
    shape = list(tensor.shape or ())
    if open_ and len(shape) <= 2:
        shape[open_[-1]] = 4000
    return dataclasses.replace(tensor, shape=tuple(shape))


def ones_of(model: Model) -> list[np.ndarray]:
    """Ones for every input: valid indices, divisors and logarithms where drawn numbers are not."""
    graph = model.subgraphs[0]
    return [np.ones_like(a) for a in inputs_of(model) if a.dtype != object] if graph.inputs else []


STAND_INS = {"reference": ("reference", "builtin"), "builtin": ("builtin",), "xnnpack": ("xnnpack",), "tflm": ("tflm",)}
"""Modes to compare with, in this order: the optimized kernels where BUILTIN_REF lacks an operator or its version."""


def answered(content: bytes, model: Model, kernels: str, runtime: str, seed: int) -> tuple[list[np.ndarray], Any, str]:
    """Inputs that the runtime takes, its outputs, and the mode it took them in. Raises what it raised first."""
    first: OracleError | OracleDied | None = None
    for mode in STAND_INS[kernels]:
        for inputs in (inputs_of(model, seed), *_others(model, seed)):
            try:
                return inputs, oracle(runtime).run(content, mode, inputs, resize=_resizes(model, inputs)), mode
            except (OracleError, OracleDied) as error:
                first = first or error
    assert first is not None
    raise first


def _others(model: Model, seed: int) -> list[list[np.ndarray]]:
    drawn = [inputs_of(longer(model), seed), ones_of(model)]
    return [inputs for inputs in drawn if len(inputs) == len(model.subgraphs[0].inputs)]


def _resizes(model: Model, inputs: list[np.ndarray]) -> bool:
    graph = model.subgraphs[0]
    return any(a.shape != tuple(graph.tensors[i].shape or ()) for i, a in zip(graph.inputs, inputs, strict=True))


def run_one(
    file: str, kernels: str = "reference", runtime: str = "litert", seed: int = 0, engine: str = "numpy"
) -> Outcome:
    """One model, both ways."""
    where = folder()
    assert where is not None
    content = (where / file).read_bytes()
    try:
        model = minilite.read(content)
        inputs, expected, mode = answered(content, model, kernels, runtime_of(kernels, runtime), seed)
    except (OracleError, OracleDied) as error:
        return _not_run(file, kernels, content, str(error)[:300])
    except Undrawn as error:
        return Outcome(file, kernels, "undrawn", str(error))
    except Error as error:
        return Outcome(file, kernels, "error", f"{type(error).__name__}: {error}"[:300])
    try:
        found = compute(model, kernels, inputs, engine)
    except UnsupportedOperatorError as error:
        return Outcome(file, kernels, "unsupported", str(error)[:300])
    except Error as error:
        return Outcome(file, kernels, "error", f"{type(error).__name__}: {error}"[:300])
    except Exception:  # a defect of ours, to be reported like the others
        return Outcome(file, kernels, "error", traceback.format_exc(limit=-3)[-600:])
    outcome = _judged(file, kernels, found, expected)
    if mode != kernels:
        note = f"LiteRT runs it in its mode for {mode} only"
        outcome = dataclasses.replace(outcome, detail="; ".join(filter(None, (outcome.detail, note))))
    return outcome


def _not_run(file: str, kernels: str, content: bytes, said: str) -> Outcome:
    """What becomes of a model that LiteRT does not run: minilite should refuse it, too."""
    why = runs_alone(file, kernels)
    try:
        interpreter = minilite.Interpreter(model_content=content, kernels=kernels)
        for detail, array in zip(interpreter.get_input_details(), inputs_of(minilite.read(content)), strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
    except Error as error:
        refused = f"{said}; minilite: {error}"[:500]
        return Outcome(file, kernels, "different" if why else "refused", refused)
    return Outcome(file, kernels, "alone" if why else "different", why or f"runs here; LiteRT: {said}")


def _judged(file: str, kernels: str, found: list[np.ndarray], expected: list[np.ndarray]) -> Outcome:
    worst = "equal"
    notes = []
    for position, (got, want) in enumerate(zip(found, expected, strict=True)):
        verdict, note = _compared(np.asarray(got), np.asarray(want))
        worst = max(worst, verdict, key=["equal", "close", "different"].index)
        if note:
            notes.append(f"output {position}: {note}")
    why = known(file, kernels)
    if why:
        worst = "explained" if worst == "different" else "different"  # an entry that is no longer true is an error
        notes.append(why)
    return Outcome(file, kernels, worst, "; ".join(notes))


def _compared(got: np.ndarray, want: np.ndarray) -> tuple[str, str]:
    if (got.dtype, got.shape) != (want.dtype, want.shape):
        return "different", f"{got.dtype}{list(got.shape)} for {want.dtype}{list(want.shape)}"
    if np.array_equal(got, want, equal_nan=got.dtype.kind in "fc"):
        return "equal", ""
    if got.dtype.kind in "fc":
        apart = relative_to_range(got, want)
        return ("close" if apart <= 1e-5 else "different"), f"{apart:.1e} of range"
    if got.dtype.kind == "O":
        return "different", "strings differ"
    share = float(np.mean(got != want))
    return "different", f"up to {steps_apart(got, want)} steps in {share:.2%}"
