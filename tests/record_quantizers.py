"""Record what other quantizers make of the random networks.

    python -m tests.record_quantizers tensorflow    TFLiteConverter's two; chooses the networks (extra ``tensorflow``)
    python -m tests.record_quantizers litert        adds litert-quantizer's two (``litert-quantizer==0.11.0``)

Recorded are networks that TFLiteConverter's optimizer leaves as they are: where it merges, folds or drops an operator
(other than RESHAPE, which changes no number) the two files do not say the same. Left out are also the few for which it
gives one answer or another: around a SPLIT whose second half nobody reads, operators are now and then left float.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import count, islice

from minilite.model import Model
from tests.litert_quantizers import RECIPES, quantized
from tests.oracle import OracleDied, OracleError
from tests.quantized_form import Operand, between, described
from tests.quantizer_networks import SEEDS, network, samples
from tests.quantizer_recording import PATH, Answer, Recording, checksum, load, ranged, save
from tests.tf_quantizers import converter

SCHEMES = ("int8", "int16x8")
AGAIN = 1
"""How many more times a network is quantized, to see whether the answer is the same."""


def record(seed: int) -> Recording | None:
    """All answers about one network; None where the optimizer changed it."""
    model = network(seed)
    data = samples(model, seed)
    if unread(model):
        return None
    ranges = converter().ranges(model, data)
    recording = Recording(seed, checksum(model))
    for scheme in SCHEMES:
        try:
            theirs = converter().quantized(scheme, model, data)
        except (OracleError, OracleDied) as error:
            print(f"{seed} {scheme}: {' '.join(str(error).split())[:150]}")
            continue
        operands = described(model, theirs)
        if rewritten(operands):
            print(f"{seed} {scheme}: not recorded, without {rewritten(operands)}")
            return None
        if any(described(model, converter().quantized(scheme, model, data)) != operands for _ in range(AGAIN)):
            print(f"{seed} {scheme}: not recorded, answers differ from run to run")
            return None
        recording.answers[scheme] = Answer(ranges, operands, between(theirs))
    return recording


def unread(model: Model) -> bool:
    """Whether a result is neither read nor an output."""
    graph = model.subgraphs[0]
    read = {i for o in graph.operators for i in o.inputs or ()} | set(graph.outputs)
    return any(i not in read for o in graph.operators for i in o.outputs or ())


def rewritten(operands: list[Operand]) -> set[str]:
    """Operators that are gone. RESHAPE may go: what it gives has the numbers of what it takes."""
    kinds = {o.where.split()[1] for o in operands if not o.type and o.where.split()[2] == "out"}
    return kinds - {"RESHAPE"}


def record_tensorflow() -> list[Recording]:
    """Recordings of the first networks that serve."""
    found = (record(seed) for seed in count())
    return list(islice((r for r in found if r is not None and r.answers), SEEDS))


def record_litert() -> list[Recording]:
    """The recordings there are, with litert-quantizer's answers."""
    recordings = list(load(network))
    for recording in recordings:
        model = network(recording.seed)
        for scheme in RECIPES:
            theirs, ranges = quantized(model, samples(model, recording.seed), scheme)
            recording.answers[scheme] = Answer(ranges, described(model, theirs), between(theirs))
    return recordings


def main(tool: str) -> None:
    recordings = {"tensorflow": record_tensorflow, "litert": record_litert}[tool]()
    save(recordings, {r.seed: ranged(network(r.seed)) for r in recordings})
    schemes = Counter(scheme for r in recordings for scheme in r.answers)
    print(f"{len(recordings)} networks of {recordings[-1].seed + 1} seeds, {schemes}, {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
