"""Recordings of a dataset, made here or by an executor's workers; the same ones either way.

Samples are sent in chunks, and recordings are taken back in the samples' order. As many chunks are under way as keep
the workers busy, and no more: memory stays the same however many samples there are. Each worker makes its interpreter
once, from bytes that are sent along with the first chunks, and again to a worker that says it has not got them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from minilite.errors import Error, WorkerError
from minilite.model import Model
from minilite.quantization.recording import Recorder, Recording, Settings
from minilite.quantization.representative import Sample
from minilite.reader import read

CHUNK = 32
"""Samples in a recording."""

LARGEST = 1 << 23
"""Bytes of samples after which a chunk is sent, however few they are."""

Chunk = tuple[int, Sequence[Sample]]
"""The number of the first sample, and the samples."""


def recordings(
    model: Model, samples: Iterable[Sample], settings: Settings, executor: Executor | None = None
) -> Iterator[Recording]:
    """What was seen in the samples, chunk by chunk, in their order.

    A model whose state goes on from sample to sample is always run here, in order. Raises :class:`WorkerError` when a
    worker dies, and what running the model raises."""
    if executor is None or _has_state(model, settings):
        recorder, remaining, first = Recorder(model, settings), iter(samples), 0
        while rows := len((recording := recorder.record(itertools.islice(remaining, CHUNK), first)).lows):
            yield recording
            first += rows
    else:
        sender = Sender(executor, model.to_bytes(), work_on, "calibration")
        yield from sender.results((settings, chunk) for chunk in chunks(samples))


def chunks(samples: Iterable[Sample]) -> Iterator[Chunk]:
    """The samples in lists of :data:`CHUNK`, or of fewer large ones."""
    chunk: list[Sample] = []
    first = size = 0
    for sample in samples:
        chunk.append(sample)
        size += sum(array.nbytes for array in sample.arrays.values())
        if len(chunk) == CHUNK or size >= LARGEST:
            yield first, chunk
            first, chunk, size = first + len(chunk), [], 0
    if chunk:
        yield first, chunk


def _has_state(model: Model, settings: Settings) -> bool:
    """Whether a sample can change what the next one gives."""
    names = {code.name for code in model.operator_codes}
    variables = any(t.is_variable for graph in model.subgraphs for t in graph.tensors)
    return bool(names & {"VAR_HANDLE", "HASHTABLE"}) or (variables and not settings.reset_variables)


class Sender:
    """Hands tasks to an executor and takes their results back, first in, first out.

    ``work(digest, content, *task)`` is what workers are told to do: with the content of that digest, which they keep.
    It returns None to be sent the content, which goes along with the first tasks only. ``activity`` is what is given up
    when a worker dies."""

    def __init__(self, executor: Executor, content: bytes, work: Callable[..., Any], activity: str):
        self.executor, self.work, self.activity = executor, work, activity
        self.content = content
        self.digest = hashlib.sha256(content).hexdigest()
        self.under_way = 2 * _workers(executor)
        self.sent = 0

    def results(self, tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """The results of tasks, in their order. Raises :class:`WorkerError` when a worker dies, and what it raises of
        minilite's errors."""
        waiting: deque[tuple[tuple[Any, ...], Future[Any]]] = deque()
        try:
            for task in tasks:
                waiting.append((task, self._submit(task, self.sent < self.under_way)))
                self.sent += 1
                if len(waiting) >= self.under_way:
                    yield self._result(*waiting.popleft())
            while waiting:
                yield self._result(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()

    def _submit(self, task: tuple[Any, ...], with_content: bool) -> Future[Any]:
        content = self.content if with_content else None
        try:
            return self.executor.submit(self.work, self.digest, content, *task)
        except Exception as error:  # executors raise what they like: broken, shut down, not connected
            raise self._failed(error) from error

    def _result(self, task: tuple[Any, ...], future: Future[Any]) -> Any:
        try:
            found = future.result()
        except Error:
            raise
        except Exception as error:  # as above; and whatever a worker's end is called
            raise self._failed(error) from error
        return found if found is not None else self._result(task, self._submit(task, True))

    def _failed(self, error: Exception) -> WorkerError:
        return WorkerError(
            f"{self.activity} was given up: a worker of {type(self.executor).__name__} failed with "
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
