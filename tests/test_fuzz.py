"""What coverage-guided fuzzing found, each as a small input that shows it; and what it kept, through its targets."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest

import minilite
from minilite.inspection import listing
from minilite.inspection.summary import summarize
from minilite.model import Buffer, Metadata, Model, Signature
from minilite.schema import make_options
from tests.format_bytes import change
from tests.fuzz.seeds import HERE, LARGEST
from tests.fuzz.targets import TARGETS, attempt
from tests.small_models import add
from tests.test_control_flow import composites

CORPUS = [path for path in sorted((HERE / "corpus").glob("*/*")) if path.is_file()]


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_kept_is_harmless(target: str) -> None:
    """Every file through its target, and what is no flexbuffer through all."""
    paths = [p for p in CORPUS if p.parent.name == target or "flexbuffers" not in (target, p.parent.name)]
    assert paths
    for path in paths:
        attempt(TARGETS[target], path.read_bytes())


def test_the_corpus_is_small() -> None:
    assert {path.parent.name for path in CORPUS} == TARGETS.keys()
    assert sum(path.stat().st_size for path in CORPUS) < LARGEST


@pytest.mark.parametrize("target", TARGETS)
def test_targets_see_what_is_wrong(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that swallowed everything would never find anything."""

    def broken(*arguments: object, **more: object) -> None:
        raise IndexError("planted")

    monkeypatch.setattr("minilite.flexbuffers.decode", broken)
    monkeypatch.setattr("minilite.schema.decode.build", broken)
    with pytest.raises(IndexError, match="planted"):
        attempt(TARGETS[target], add().to_bytes())


def offline(words: list[int], index: int = 2) -> Model:
    """With a memory plan of its own for TFLite Micro, in its metadata."""
    plan = Buffer(np.array(words, "<i4").view(np.uint8))
    metadata = (Metadata("OfflineMemoryAllocation", index),)
    return dataclasses.replace(add(), buffers=(*add().buffers, plan), metadata=metadata)


@pytest.mark.parametrize(
    "model", [offline([1, 0, 3, 0, 0, 0], 99), offline([1, 0, -5, 0, 0]), offline([1, 0, 2**31 - 1])]
)
def test_a_plan_in_the_metadata_may_lead_nowhere(model: Model) -> None:
    expected = minilite.memory_plan(add(), runtime="tflm").arena_bytes
    assert minilite.memory_plan(model, runtime="tflm").arena_bytes == expected


def named(name: str, table: str) -> Model:
    """The operator ``name`` with another one's options."""
    model = change(add(), "operators", options=make_options(table))
    code = dataclasses.replace(model.operator_codes[0], builtin_code=name)
    return dataclasses.replace(model, operator_codes=(code,))


@pytest.mark.parametrize("name", ["CALL_ONCE", "IF", "WHILE", "BATCH_MATMUL"])
def test_options_of_another_operator_can_be_looked_at(name: str) -> None:
    model = named(name, "SoftmaxOptions")
    assert list(listing.operators(summarize(model)))
    for runtime in ("litert", "tflm"):
        with contextlib.suppress(minilite.OperatorError):
            minilite.memory_plan(model, runtime=runtime)


def test_a_signature_without_names_can_be_looked_at() -> None:
    model = dataclasses.replace(add(), signatures=(Signature("serve", ((None, 0),), ((None, 2),)),))  # type: ignore[arg-type]  # as files have it
    model = minilite.read(model.to_bytes())
    assert any("serve:  -> " in line for _, lines in listing.overview(summarize(model)) for line in lines)


@pytest.mark.parametrize("depth", [100, 2000])
def test_subgraphs_that_call_each_other_deeply_are_refused(depth: int) -> None:
    graphs = [deep(graph, index) for index, graph in enumerate(composites(depth, 1).subgraphs)]
    model = dataclasses.replace(composites(depth, 1), subgraphs=tuple(graphs))
    code = dataclasses.replace(model.operator_codes[0], builtin_code="CALL_ONCE")
    model = dataclasses.replace(model, operator_codes=(code, *model.operator_codes[1:]))
    with pytest.raises(minilite.OperatorError, match="subgraphs call each other more than max_depth=32 deep"):
        minilite.memory_plan(model, runtime="tflm")


def deep(graph: minilite.model.Subgraph, index: int) -> minilite.model.Subgraph:
    options = make_options("CallOnceOptions", init_subgraph_index=index + 1)
    operators = tuple(dataclasses.replace(o, options=options, options_2=None) for o in graph.operators)
    return dataclasses.replace(graph, operators=operators)
