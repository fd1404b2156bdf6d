"""Recordings of a dataset, made here or by an executor's workers; the same ones either way.

Samples are divided into chunks of a fixed number, so nothing depends on how many workers there are. As many chunks are
under way as keep them busy, and no more: memory stays the same however many samples there are. Each worker makes its
interpreter once, from bytes that are sent along until it has been seen to have them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from minilite.errors import Error, WorkerError
from minilite.model import Model
from minilite.quantization.recording import Recorder, Recording, Settings
from minilite.quantization.representative import Sample
from minilite.reader import read

CHUNK = 32
"""Samples in a recording."""

Chunk = tuple[int, Sequence[Sample]]
"""The number of the first sample, and the samples."""


def recordings(
    model: Model, samples: Iterable[Sample], settings: Settings, executor: Executor | None = None
) -> Iterator[Recording]:
    """What was seen in the samples, chunk by chunk, in their order.

    A model whose state goes on from sample to sample is always run here, in order. Raises :class:`WorkerError` when a
    worker dies, and what running the model raises."""
    if executor is None or _has_state(model, settings):
        recorder = Recorder(model, settings)
        for first, chunk in chunks(samples):
            yield recorder.record(chunk, first)
    else:
        yield from _Sender(model, settings, executor).recordings(chunks(samples))


def chunks(samples: Iterable[Sample]) -> Iterator[Chunk]:
    """The samples in lists of :data:`CHUNK`."""
    remaining = iter(samples)
    first = 0
    while chunk := list(itertools.islice(remaining, CHUNK)):
        yield first, chunk
        first += len(chunk)


def _has_state(model: Model, settings: Settings) -> bool:
    """Whether a sample can change what the next one gives."""
    names = {code.name for code in model.operator_codes}
    variables = any(t.is_variable for graph in model.subgraphs for t in graph.tensors)
    return bool(names & {"VAR_HANDLE", "HASHTABLE"}) or (variables and not settings.reset_variables)


class _Sender:
    """Hands chunks to an executor and takes recordings back, first in, first out."""

    def __init__(self, model: Model, settings: Settings, executor: Executor):
        self.settings, self.executor = settings, executor
        self.content = model.to_bytes()
        self.digest = hashlib.sha256(self.content).hexdigest()
        self.under_way = 2 * _workers(executor)

    def recordings(self, work: Iterator[Chunk]) -> Iterator[Recording]:
        waiting: deque[tuple[Chunk, Future[Any]]] = deque()
        try:
            for number, chunk in enumerate(work):
                waiting.append((chunk, self._submit(chunk, number < self.under_way)))
                if len(waiting) >= self.under_way:
                    yield self._result(*waiting.popleft())
            while waiting:
                yield self._result(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()

    def _submit(self, chunk: Chunk, with_content: bool) -> Future[Any]:
        content = self.content if with_content else None
        try:
            return self.executor.submit(work_on, self.digest, content, self.settings, chunk)
        except Exception as error:  # executors raise what they like: broken, shut down, not connected
            raise self._failed(error) from error

    def _result(self, chunk: Chunk, future: Future[Any]) -> Recording:
        try:
            found: Recording | None = future.result()
        except Error:
            raise
        except Exception as error:  # as above; and whatever a worker's end is called
            raise self._failed(error) from error
        return found if found is not None else self._result(chunk, self._submit(chunk, True))

    def _failed(self, error: Exception) -> WorkerError:
        return WorkerError(
            f"calibration was given up: a worker of {type(self.executor).__name__} failed with "
            f"{type(error).__name__}: {error} Try it without executor= to see whether the model runs; a worker "
            "that was killed has often run out of memory."
        )


def _workers(executor: Executor) -> int:
    """How many tasks the executor runs at once, as far as it tells."""
    known = getattr(executor, "_max_workers", None)
    if isinstance(known, int):
        return known
    threads = getattr(getattr(executor, "_client", None), "nthreads", None)  # dask.distributed
    return sum(threads().values()) if callable(threads) else os.cpu_count() or 1


# ---- in the workers --------------------------------------------------------------------------------------------------

_LOCAL = threading.local()
"""Each thread's latest recorder, by the model's digest and the settings."""


def work_on(digest: str, content: bytes | None, settings: Settings, chunk: Chunk) -> Recording | None:
    """Record a chunk; None when this worker has no interpreter of the model yet and was not sent the bytes."""
    recorder = getattr(_LOCAL, "recorders", {}).get((digest, settings))
    if recorder is None:
        if content is None:
            return None
        recorder = Recorder(read(content), settings)
        _LOCAL.recorders = {(digest, settings): recorder}
    first, samples = chunk
    result: Recording = recorder.record(samples, first)
    return result
