"""Any executor gives the same calibration; one whose worker dies, a clear error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.errors import ArgumentError, WorkerError
from minilite.model import Model
from minilite.quantization import executing
from minilite.quantization.calibrating import METHODS, calibrate
from tests import small_models

COUNT = 3 * executing.CHUNK + 7


def pictures(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(1).random((count, 4, 4, 2), np.float32)


@contextmanager
def cluster() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    dask.config.set({"distributed.scheduler.allowed-failures": 0})  # do not start a worker again that has died
    anywhere = "127.0.0.1:0"  # else two clusters at once, of tests side by side, want the same port
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=anywhere)
    with local, distributed.Client(local) as client, client.get_executor() as executor:
        yield executor


@contextmanager
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.mark.parametrize("kind", [threads, processes, cluster])
def test_every_executor_gives_the_same_calibration(kind: Any) -> None:
    model = small_models.convolution()
    with kind() as executor:
        for method in METHODS:
            alone = calibrate(model, pictures(), method)
            assert calibrate(model, pictures(), method, executor=executor) == alone
        assert alone.samples == COUNT


class Sabotaged(Executor):
    """Ends the worker that is given the third task."""

    def __init__(self, executor: Executor):
        self.executor, self.tasks = executor, 0

    def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        self.tasks += 1
        if self.tasks == 3:
            return self.executor.submit(os._exit, 3)
        return self.executor.submit(function, *arguments)


@pytest.mark.parametrize(("kind", "said"), [(processes, "BrokenProcessPool"), (cluster, "KilledWorker")])
def test_a_worker_that_dies_is_said_to_have_died(kind: Any, said: str) -> None:
    with kind() as executor, pytest.raises(WorkerError, match=f"a worker of Sabotaged failed with {said}"):
        calibrate(small_models.convolution(), pictures(), executor=Sabotaged(executor))


def test_an_executor_that_is_shut_down() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(WorkerError, match="ThreadPoolExecutor failed with RuntimeError: cannot schedule"):
        calibrate(small_models.convolution(), pictures(), executor=executor)


def huge() -> Model:
    """exp(x), which is infinite from 89 on."""
    b = small_models.Builder()
    x, y, z = (b.tensor(name, (1, 2)) for name in ("x", "large", "larger"))
    steps = (small_models.operator(0, (x,), (y,), "ExpOptions"), small_models.operator(0, (y,), (z,), "ExpOptions"))
    code = minilite.model.OperatorCode("EXP")
    return Model((code,), (b.subgraph((x,), (z,), *steps),), tuple(b.buffers))


@pytest.mark.parametrize("kind", [nullcontext, threads, processes])
def test_infinite_tensors_are_an_error_with_tensor_and_sample(kind: Any) -> None:
    data = np.zeros((40, 2), np.float32)
    data[37, 1] = 100
    said = "sample 37: tensor 1 'large' of subgraph 0 is computed as NaN or infinite, and 1 more"
    with kind() as executor, pytest.raises(ArgumentError, match=said):
        calibrate(huge(), data, executor=executor)


def test_only_a_few_chunks_are_under_way() -> None:
    class Lazy(Executor):
        """Computes nothing before it is asked for the result."""

        waiting = most = 0
        _max_workers = 2

        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            executor = self
            executor.waiting += 1
            executor.most = max(executor.most, executor.waiting)

            class Later(Future[Any]):
                def result(self, timeout: float | None = None) -> Any:
                    executor.waiting -= 1
                    return function(*arguments)

            return Later()

    lazy = Lazy()
    found = calibrate(small_models.convolution(), pictures(20 * executing.CHUNK), executor=lazy)
    assert found.samples == 20 * executing.CHUNK
    assert lazy.most == 4


def test_a_worker_without_the_model_is_sent_it() -> None:
    class Forgetful(Executor):
        """Every task goes to a new worker."""

        _max_workers = 1

        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            with ThreadPoolExecutor(1) as one:
                return one.submit(function, *arguments)

    model = small_models.convolution()
    assert calibrate(model, pictures(), executor=Forgetful()) == calibrate(model, pictures())


@pytest.mark.parametrize(("code", "value"), [("LOG", 0), ("LOG", -1), ("EXP", 100)])
def test_minus_infinity_and_nan_are_errors_as_well(code: str, value: float) -> None:
    b = small_models.Builder()
    x, y = b.tensor("x", (1, 2)), b.tensor("result", (1, 2))
    model = small_models.one(b, code, (x,), (y,), "")
    with pytest.raises(ArgumentError, match="sample 0: tensor 1 'result' of subgraph 0 is computed as NaN or infinite"):
        calibrate(model, [[np.float32([[1, value]])]])
