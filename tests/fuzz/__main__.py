"""Coverage-guided fuzzing by Atheris (extra ``fuzz``): ``make fuzz TARGET=reader SECONDS=1800``.

    MINILITE_MODELS=models python -m tests.fuzz reader --seconds 1800

It begins with the corpus of this folder, the small models of the tests and those of ``MINILITE_MODELS``, and goes on
where it stopped: what it found worth keeping is in ``.fuzz/TARGET``, what it broke in ``.fuzz/found/TARGET-...``. One
such file is run again by ``python -m tests.fuzz TARGET FILE``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import pkgutil
import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(
    include=["minilite"],
    exclude=["minilite.engines.numba.kernels", "minilite.engines.numba.packing"],  # what Numba compiles stays as it is
):
    import minilite

    for module in pkgutil.walk_packages(minilite.__path__, "minilite."):
        if not module.name.startswith(("minilite.engines.numba.kernels", "minilite.testing", "minilite.__main__")):
            with contextlib.suppress(ImportError):
                __import__(module.name)

from minilite import flexbuffers
from tests.fuzz.changes import changed, written
from tests.fuzz.damage import damaged
from tests.fuzz.seeds import HERE, seeds
from tests.fuzz.targets import TARGETS, attempt

CORPUS = HERE / "corpus"
WORK = Path(".fuzz")
LARGEST = 16_000
"""Bytes of a model worth beginning with: coverage of larger ones is the same, and takes longer."""


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    """The next input: bytes changed blindly, where the structure is, or the model that they hold."""
    random = Random(seed)
    how = random.random()
    if how < 0.3:
        return atheris.Mutate(data, largest)
    other = random.choice(small())
    if how > 0.6:
        with contextlib.suppress(minilite.ModelError):
            content = written(changed(random, minilite.read(data), minilite.read(other)))
            if 0 < len(content) <= largest:
                return content
    return damaged(random, data, other)[:largest]


def small() -> list[bytes]:
    """Whole models to begin with."""
    if not _small:
        _small.extend(seed.content for seed in seeds() if len(seed.content) <= LARGEST)
    return _small


_small: list[bytes] = []


def packed(seed: int) -> bytes:
    """A sound flexbuffer."""
    random = Random(seed)

    def value(depth: int) -> object:
        kind = random.randrange(8 if depth else 6)
        return (
            None, random.random() < 0.5, random.randrange(-(2**40), 2**40), random.random(), "w" * random.randrange(9),
            b"b" * random.randrange(9),
            [value(depth - 1) for _ in range(random.randrange(4))] if depth else 0,
            {str(i): value(depth - 1) for i in range(random.randrange(4))} if depth else 0,
        )[kind]  # fmt: skip

    return flexbuffers.encode({name: value(3) for name in "abc"})


def fill(folder: Path, name: str) -> None:
    """What to begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    first = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    first += [packed(seed) for seed in range(40)] if name == "flexbuffers" else small()
    for content in first:
        (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("files", nargs="*", type=Path, help="run these only")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--minimize", type=Path, help="put the smallest set of files with the same coverage here, and end"
    )
    told = parser.parse_args()
    target = TARGETS[told.target]
    for path in told.files:
        attempt(target, path.read_bytes())
    if told.files:
        return
    work, found = WORK / told.target, WORK / "found"
    fill(work, told.target)
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-artifact_prefix={found}/{told.target}-",
        "-timeout=60",
        "-rss_limit_mb=4000",
        f"-max_len={4 * LARGEST}",
    ]
    if told.minimize:
        told.minimize.mkdir(parents=True, exist_ok=True)
        options += ["-merge=1", str(told.minimize), str(work)]
    else:
        options += [f"-max_total_time={told.seconds}", "-print_final_stats=1", str(work)]
    own = None if told.target == "flexbuffers" else mutate
    atheris.Setup([sys.argv[0], *options], lambda data: attempt(target, data), custom_mutator=own)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
