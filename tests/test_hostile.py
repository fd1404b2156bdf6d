"""Real models with bytes flipped, cut and spliced: a result or a ``minilite.Error``; nothing else, and no harm done.

minilite runs in a child process that may take 2 GB and a minute. Models whose shapes ask for more work than a minute
holds are read and allocated, not invoked: that they take long is what they ask for.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite.inspection.macs import operator_macs
from tests import models
from tests.oracle import Oracle, OracleError

SHIPPED = sorted((Path(minilite.__file__).parent / "demo").glob("*.tflite"))
MOST_MACS = 10**9


def originals() -> list[bytes]:
    """The demo's models, and some small ones of the collection where there is one."""
    contents = [p.read_bytes() for p in SHIPPED]
    where = models.folder()
    if where is not None:
        small = [f for f in models.files() if (where / f).stat().st_size < 20_000]
        contents += [(where / f).read_bytes() for f in small[:: max(1, len(small) // 40)]]
    return contents


ORIGINALS = originals()


@dataclass(frozen=True)
class Damaged:
    """A recipe: which original, and (what, place, word) edits; short to print and to shrink."""

    original: int
    edits: tuple[tuple[str, int, int], ...]

    def content(self) -> bytes:
        content = bytearray(ORIGINALS[self.original % len(ORIGINALS)])
        for what, place, word in self.edits:
            place %= max(len(content), 1)
            if what == "flip":
                content[place : place + 1] = bytes(c ^ 1 << word % 8 for c in content[place : place + 1])
            elif what == "word":
                content[place : place + 4] = word.to_bytes(4, "little")
            elif what == "cut":
                del content[place : place + word % 64 + 1]
            else:
                other = ORIGINALS[word % len(ORIGINALS)]
                content[place : place + 32] = other[word % len(other) :][:32]
        return bytes(content)


WORDS = st.sampled_from([0, 1, 4, 1000, 2**16, 2**31 - 1, 2**32 - 1]) | st.integers(0, 2**32 - 1)
EDITS = st.tuples(st.sampled_from(["flip", "word", "cut", "splice"]), st.integers(0, 10**5), WORDS)
DAMAGED = st.builds(Damaged, st.integers(0, len(ORIGINALS) - 1), st.lists(EDITS, min_size=1, max_size=4).map(tuple))


def work(model: minilite.Model) -> int:
    """Multiply-accumulates the model's own shapes ask for."""
    return sum(operator_macs(model, g, o) or 0 for g in model.subgraphs for o in g.operators)


@pytest.fixture(scope="module")
def child() -> Oracle:
    return Oracle("minilite", seconds=60)


@given(damaged=DAMAGED)
def test_damaged_models_do_no_harm(child: Oracle, damaged: Damaged) -> None:
    harmless(child, damaged.content())


@pytest.mark.parametrize("content", [b"\0", b"TFL3", bytes(1000), b"\x1c\0\0\0TFL3" + bytes(100)])
def test_what_never_was_a_model_does_no_harm(child: Oracle, content: bytes) -> None:
    harmless(child, content)


def harmless(child: Oracle, content: bytes) -> None:
    """Read here, then run in the child: only errors of minilite's own may come out."""
    try:
        model = minilite.read(content)
        inputs = models.inputs_of(model) if model.subgraphs and work(model) <= MOST_MACS else []
    except (minilite.Error, models.Undrawn):
        return
    with contextlib.suppress(OracleError):
        child.run(content, "reference", inputs)
