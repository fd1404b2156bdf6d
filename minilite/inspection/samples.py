"""The same inputs for two sources: real numbers on the grids of each."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError, Error
from minilite.inspection.alignment import inputs
from minilite.inspection.reals import converted, grid_of
from minilite.inspection.sources import SavedRun, Source
from minilite.model import Model
from minilite.quantization.representative import RepresentativeDataset, Sample

Pairs = Iterator[tuple[Sample, Sample]]


def paired_samples(a: Source, b: Source, data: Any) -> Pairs:
    """Each sample as both sources take it. ``data`` is of the kind that the inputs of either are, or real numbers.

    Raises :class:`ArgumentError` and :class:`ArgumentTypeError` for data that does not fit."""
    if data is None:
        data = _saved(a, b)
    samples: Iterable[Sample]
    if isinstance(data, SavedRun):
        samples, kind = data.samples(), data.model
    else:
        samples, kind = samples_of(data, a.model, b.model)
    for sample in samples:
        yield entered(sample, kind, a.model), entered(sample, kind, b.model)


def _saved(a: Source, b: Source) -> SavedRun:
    for side in (a, b):
        if isinstance(side, SavedRun):
            return side
    raise ArgumentError(
        "give the inputs to compare on: inputs= may only be left out for a saved run, which has its own."
    )


def samples_of(data: Any, *models: Model) -> tuple[Iterable[Sample], Model]:
    """Samples and the model whose inputs they are: one of the given, or the first with real numbers for integers.

    Which one it is, the first sample tells; what a generator yields is read once."""
    whole: Any = data
    if isinstance(data, str | bytes):
        RepresentativeDataset(models[0], data)  # which refuses it
    if callable(data):
        whole = data()
    if not (isinstance(whole, np.ndarray | dict) or hasattr(whole, "__array__")) and hasattr(whole, "__iter__"):
        iterator = iter(whole)
        head = list(itertools.islice(iterator, 1))
        whole = itertools.chain(head, iterator)
    else:
        head = whole
    model = _taker(head, (*models, _real(models[0])))
    return RepresentativeDataset(model, whole), model


def _taker(head: Any, models: tuple[Model, ...]) -> Model:
    """The first model that takes a sample. Where none does, raises what the first one says that takes numbers of that
    kind: of real numbers in the wrong shape the shape is wrong."""
    errors: list[Error] = []
    for model in models:
        try:
            next(iter(RepresentativeDataset(model, head)))
        except Error as error:
            errors.append(error)
        else:
            return model
    raise next((e for e in errors if not isinstance(e, ArgumentTypeError)), errors[0])


def _real(model: Model) -> Model:
    """The model as if its quantized inputs took real numbers."""
    graphs = []
    for graph in model.subgraphs:
        tensors = list(graph.tensors)
        for t in graph.inputs:
            if grid_of(tensors[t]) is not None:
                tensors[t] = dataclasses.replace(tensors[t], type="FLOAT32", quantization=None)
        graphs.append(dataclasses.replace(graph, tensors=tuple(tensors)))
    return dataclasses.replace(model, subgraphs=tuple(graphs))


def entered(sample: Sample, kind: Model, model: Model) -> Sample:
    """A sample for the inputs of one model as one for those of another: the same real numbers."""
    if kind is model:
        return sample
    graph, other = kind.subgraphs[sample.subgraph], model.subgraphs[_subgraph(sample, kind, model)]
    places = inputs(kind, model, sample.subgraph)
    arrays = {
        j: converted(sample.arrays[i], graph.tensors[i], other.tensors[j])
        for j, i in places.items()
        if i in sample.arrays
    }
    return Sample(sample.subgraph, arrays)


def _subgraph(sample: Sample, kind: Model, model: Model) -> int:
    if sample.subgraph >= len(model.subgraphs):
        raise ArgumentError(
            f"the models do not correspond: samples are for subgraph {sample.subgraph} of {len(kind.subgraphs)}, and "
            f"the other model has {len(model.subgraphs)}."
        )
    return sample.subgraph
