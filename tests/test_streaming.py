"""Streaming models keep state from frame to frame: hundreds in a row, every output bit for bit LiteRT's."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest

import minilite
from minilite.model import Model
from minilite.testing.ours import compute
from tests import models
from tests.oracle import OracleError, oracle

FRAMES = 300
ENGINES = {"reference": "numpy", "builtin": "numba" if importlib.util.find_spec("numba") else "numpy"}


def streaming() -> list[str]:
    """The int8 models that keep state and are small enough to be fed by the frame: wake words, voice activity."""
    where = models.folder()
    return [] if where is None else [f for f in models.files() if _streams(minilite.read(where / f))]


def _streams(model: Model) -> bool:
    names = {c.name for c in model.operator_codes}
    graph = model.subgraphs[0]
    integers = all(graph.tensors[i].type in ("INT8", "UINT8", "INT16") for i in (*graph.inputs, *graph.outputs))
    return bool(names & {"READ_VARIABLE", "SVDF"}) and integers and len(graph.inputs) == 1


FILES = streaming() or [pytest.param("", marks=pytest.mark.skip("needs MINILITE_MODELS"))]


@pytest.mark.parametrize("kernels", ["reference", "builtin"])
@pytest.mark.parametrize("file", FILES)
def test_frames_stay_bit_equal(file: str, kernels: str) -> None:
    content, model = loaded(file)
    first, *rest = [models.inputs_of(model, seed) for seed in range(FRAMES)]
    try:
        wanted = oracle().run(content, kernels, first, again=tuple(rest))
    except OracleError as error:
        pytest.skip(f"LiteRT refuses it: {error}")
    found = compute(model, kernels, first, ENGINES[kernels], again=tuple(rest))
    assert len(found) == len(wanted) == FRAMES * len(model.subgraphs[0].outputs)
    apart = [i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if not np.array_equal(a, b)]
    assert not apart, f"outputs {apart[:5]} differ"
    assert len({a.tobytes() for a in found}) > FRAMES / 2, "hardly anything ever changes"


def loaded(file: str) -> tuple[bytes, Model]:
    """A model, and its bytes, that also gives what it reads from its variables: outputs alone are often 0 all the
    time."""
    where = models.folder()
    assert where is not None
    model = minilite.read(where / file)
    graph = model.subgraphs[0]
    read = [o for o in graph.operators if model.operator_codes[o.opcode_index].name == "READ_VARIABLE"]
    graph = dataclasses.replace(graph, outputs=(*graph.outputs, *(o.outputs[0] for o in read)))
    model = dataclasses.replace(model, subgraphs=(graph, *model.subgraphs[1:]), signatures=())
    return model.to_bytes(), model
