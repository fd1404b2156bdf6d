"""The random networks of the quantizer's tests: valid, varied, and those that were recorded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minilite.model import Model
from tests.oracle import oracle
from tests.quantizer_networks import network, samples
from tests.quantizer_recording import PATH, checksum, load

RUN = range(0, 300, 6)
"""Seeds that are run here; every one is run by those who compare ranges."""


def names(model: Model) -> set[str]:
    return {model.operator_codes[o.opcode_index].name for o in model.subgraphs[0].operators}


def test_a_seed_determines_model_and_samples():
    first, again = network(5), network(5)
    assert first == again
    assert network(6) != first
    np.testing.assert_array_equal(samples(first, 5)[1][0], samples(again, 5)[1][0])


def test_recorded_networks_are_these():
    changed = [r.seed for r in load(network) if checksum(network(r.seed)) != r.checksum]
    assert not changed, "the generator makes other networks than those recorded: python -m tests.record_quantizers"


def test_recording_is_small():
    assert PATH.stat().st_size < 1_500_000


@pytest.mark.parametrize("seed", RUN)
def test_litert_runs_them(seed):
    pytest.importorskip("ai_edge_litert")
    model = network(seed)
    graph = model.subgraphs[0]
    outputs = oracle().run(model.to_bytes(), "builtin", samples(model, seed)[0])
    assert [o.shape for o in outputs] == [graph.tensors[i].shape for i in graph.outputs]
    assert all(np.isfinite(o).all() for o in outputs)


def test_they_have_what_quantizers_stumble_over():
    models = {r.seed: network(r.seed) for r in load(network)}
    kinds = Counter(name for model in models.values() for name in names(model))
    assert len(kinds) > 60
    wanted = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL", "CONCATENATION")
    assert min(kinds[name] for name in wanted) >= 10
    assert kinds["UNIDIRECTIONAL_SEQUENCE_LSTM"] >= 5
    graphs = [model.subgraphs[0] for model in models.values()]
    read = [Counter(i for o in g.operators for i in (o.inputs or ())) for g in graphs]
    assert sum(len(g.inputs) > 1 for g in graphs) > 20
    assert sum(any(r[i] for i in g.outputs) for g, r in zip(graphs, read, strict=True)) > 20
    assert sum(any(n > 1 and g.tensors[i].buffer for i, n in r.items()) for g, r in zip(graphs, read, strict=True)) > 20
    assert sum(bool(model.signatures) for model in models.values()) > 50
