"""What is fuzzed: functions of bytes that raise when minilite does anything but its work or a ``minilite.Error``."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import warnings
import zlib
from collections.abc import Callable

import numpy as np

import minilite
from minilite import flexbuffers as flexbuffers_
from minilite.engines import compiling
from minilite.inspection import listing
from minilite.inspection.summary import summarize, to_json
from minilite.model import Buffer, Metadata, Model
from minilite.soundness import check
from tests.fuzz import inspecting
from tests.fuzz.fences import fences
from tests.fuzz.mutants import inputs_for
from tests.small_models import add

LIMITS = minilite.Limits(max_memory=2**26, max_elements=2**24, max_iterations=200, max_seconds=10)
KERNELS = ("reference", "builtin", "xnnpack", "tflm", "ideal")

Target = Callable[[bytes], object]


def reader(content: bytes) -> None:
    """Reading; what can be read and written is the same when it is read again."""
    model = minilite.read(content)
    with contextlib.suppress(minilite.ModelError):
        check(model)
    again = minilite.read(model.to_bytes())
    assert again == model, "reading what was written gives another model"


def plan(content: bytes) -> None:
    """Allocating tensors, in any kernel set, and describing what was planned."""
    interpreter = _interpreter(content, "numpy")
    interpreter.allocate_tensors()
    interpreter.get_tensor_details()
    interpreter.get_operator_details()
    interpreter.get_signature_list()


def interpreter(content: bytes) -> None:
    """Invoking twice, in any kernel set and engine; compiled kernels between fences."""
    engine = "numpy" if zlib.crc32(content) // 5 % 2 else compiling()
    with fences():
        _invoke(_interpreter(content, engine))


def _invoke(made: minilite.Interpreter) -> None:
    made.allocate_tensors()
    for index, array in inputs_for(made.get_input_details(), 0):
        made.set_tensor(index, array)
    for _ in range(2):
        made.invoke()
    for detail in made.get_output_details():
        made.get_tensor(detail["index"])


def _interpreter(content: bytes, engine: str) -> minilite.Interpreter:
    kernels = KERNELS[zlib.crc32(content) % 5]
    return minilite.Interpreter(model_content=content or b"\0", kernels=kernels, engine=engine, limits=LIMITS)


def flexbuffers(content: bytes) -> None:
    """Decoding custom options."""
    flexbuffers_.decoded(content)
    flexbuffers_.decode(content)


def metadata(content: bytes) -> None:
    """What is said of a model without running it. Bytes that are no model become a model's metadata."""
    try:
        model = minilite.read(content)
    except minilite.ModelError:
        model = _carrying(content)
    summary = summarize(model)
    to_json(summary)
    for part in (listing.overview, listing.operators, listing.tensors):
        list(part(summary))
    model._repr_html_()
    for runtime in ("tflm", "litert"):
        with contextlib.suppress(minilite.Error):
            minilite.memory_plan(model, runtime=runtime)


def inspection(content: bytes) -> None:
    """Explaining, comparing in two kernel sets, carving, counting, reporting and stepping through a model."""
    inspecting.inspection(content, KERNELS, LIMITS)


def _carrying(content: bytes) -> Model:
    """A model with the bytes as its metadata, under a name that is read."""
    data = np.frombuffer(content[1:], np.uint8)
    index = content[0] if content and content[0] < 4 else 2
    name = "OfflineMemoryAllocation" if len(content) % 2 else "min_runtime_version"
    return dataclasses.replace(add(), buffers=(*add().buffers, Buffer(data)), metadata=(Metadata(name, index),))


TARGETS: dict[str, Target] = {
    target.__name__: target for target in (reader, plan, interpreter, flexbuffers, metadata, inspection)
}


def attempt(target: Target, content: bytes) -> None:
    """Run a target; only errors of minilite's own are in order."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("error")
        with contextlib.suppress(minilite.Error):
            target(content)
