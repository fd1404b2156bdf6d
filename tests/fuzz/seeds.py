"""What is broken: small models of the tests, the demo's, and those of the folder ``MINILITE_MODELS``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from random import Random

import minilite
from minilite.model import Model
from tests import models
from tests.format_bytes import outside_model
from tests.fuzz.changes import changed, written
from tests.fuzz.damage import damaged, places
from tests.small_models import add, custom, every_detail, stateful, two_signatures

LARGEST = 300_000
"""Bytes of a file that is worth breaking."""

WHOLE = 60_000
"""Bytes of a file whose mutants are worth running often; of larger ones there are fewer."""

HERE = Path(__file__).parent
DEMO = Path(minilite.__file__).parent / "demo"
OWN = (add, every_detail, two_signatures, stateful, custom, outside_model)


@dataclass
class Seed:
    """A sound file, and what is known of it."""

    name: str
    content: bytes

    @functools.cached_property
    def model(self) -> Model:
        """The file as data."""
        return minilite.read(self.content)

    @functools.cached_property
    def places(self) -> list[list[int]]:
        """Where its structure lies."""
        return places(self.content)


@functools.cache
def seeds() -> list[Seed]:
    """All of them, in a fixed order."""
    found = [Seed(model.__name__, model().to_bytes()) for model in OWN]
    found += [Seed(p.name, p.read_bytes()) for p in sorted(DEMO.glob("*.tflite")) if p.stat().st_size <= LARGEST]
    where = models.folder()
    for name in models.files() if where else ():
        assert where is not None
        if 0 < (where / name).stat().st_size <= LARGEST:
            content = (where / name).read_bytes()
            try:
                minilite.read(content)
            except minilite.ModelError:
                continue
            found.append(Seed(name, content))
    return found


def pick(random: Random) -> Seed:
    """A seed; the small ones ten times as often."""
    while True:
        seed = random.choice(seeds())
        if len(seed.content) <= WHOLE or random.random() < 0.1:
            return seed


def mutant(number: int) -> tuple[str, bytes]:
    """Mutant ``number``, and what was done to which file: every second one to the bytes, the others to the model."""
    random = Random(number)
    seed, other = pick(random), pick(random)
    if number % 2:
        return f"bytes of {seed.name}", damaged(random, seed.content, other.content, seed.places)
    for _ in range(10):
        content = written(changed(random, seed.model, other.model))
        if content:
            return f"parts of {seed.name}", content
    return f"nothing of {seed.name}", seed.content
