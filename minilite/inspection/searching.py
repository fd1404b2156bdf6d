"""What the searches of :func:`minilite.mixed_precision` share: noises that add up, models that are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from minilite.inspection.choices import RANK, Choices, Decided
from minilite.inspection.costs import Cost, total_mac_bits
from minilite.inspection.preparing import Prepared
from minilite.inspection.trials import Measure, Place
from minilite.quantization.static_model import FLOAT

WIDTH = 8
"""Moves that are measured in a round."""
LARGEST_NOISE = 1e9


@dataclass(frozen=True)
class Step:
    """A model that was measured: what was tried, whether the search went on from it."""

    what: str
    measure: Measure
    size: int
    mac_bits: int
    taken: bool


@dataclass(frozen=True, eq=False)
class Found:
    """A measured model: what was decided, all that follows, how good it is and what it costs."""

    what: str
    decided: Decided
    assignment: dict[Place, str]
    measure: Measure
    size: int
    mac_bits: int
    converts: bool = False


@dataclass(frozen=True)
class Move:
    """A change of what is decided."""

    what: str
    decided: Decided
    promise: float
    converts: bool = False


class Search:
    """What both kinds of search share: noises, measurements, the history."""

    def __init__(self, bench: Prepared, choices: Choices, candidates: Iterable[str], rounds: int):
        self.bench, self.choices, self.candidates, self.rounds = bench, choices, tuple(candidates), rounds
        self.history: list[Step] = []

    # ---- noises --------------------------------------------------------------------------------------------------

    @cached_property
    def noises(self) -> dict[tuple[Place, str], float]:
        """What each operator that is decided about adds to the noise in each scheme, alone."""
        return self._noises((p, s) for p in self.choices.decided for s in self.choices.options[p])

    def _noises(self, wanted: Iterable[tuple[Place, str]]) -> dict[tuple[Place, str], float]:
        pairs = list(wanted)
        floats = self.bench.uniform(FLOAT)
        made = self.bench.trials.outcomes([{**floats, place: scheme} for place, scheme in pairs], "One at a time")
        return {pair: min(o.measure.noise, LARGEST_NOISE) for pair, o in zip(pairs, made, strict=True)}

    def noise_of(self, places: Iterable[Place], assignment: Mapping[Place, str]) -> dict[Place, float]:
        """The noise that operators make alone in the schemes that they have."""
        found = self._noises((p, assignment[p]) for p in places)
        return {place: noise for (place, _), noise in found.items()}

    # ---- measurements --------------------------------------------------------------------------------------------

    def measured(self, moves: Iterable[Move]) -> list[Found]:
        """Models as they really are."""
        moves = list(moves)
        complete = [self.choices.complete(m.decided) for m in moves]
        outcomes = self.bench.trials.outcomes(complete, "Searching")
        return [
            Found(m.what, m.decided, a, o.measure, o.size, total_mac_bits(self.bench.graphs, o.schemes), m.converts)
            for m, a, o in zip(moves, complete, outcomes, strict=True)
        ]

    def uniforms(self) -> list[Found]:
        """The models of one scheme throughout."""
        return self.measured(Move(f"all {name}", self.choices.uniform(name), 0.0) for name in self.candidates)

    def note(self, found: Iterable[Found], taken: Found | None) -> None:
        """Add models to the history."""
        self.history += [Step(f.what, f.measure, f.size, f.mac_bits, f is taken) for f in found]

    # ---- changes -------------------------------------------------------------------------------------------------

    def changes(self, decided: Decided, finer: bool) -> Iterator[tuple[Place, str, float, Cost]]:
        """Every other scheme of every operator that is finer, or coarser: with the noise and the costs it adds."""
        for place in self.choices.decided:
            now = decided[place]
            before = self.choices.cost(place, now)
            for name, after in self.choices.options[place].items():
                if (RANK[name] < RANK[now]) if finer else (RANK[name] > RANK[now]):
                    noise = self.noises[place, name] - self.noises[place, now]
                    yield place, name, noise, Cost(after.size - before.size, after.mac_bits - before.mac_bits)

    def coarsened(self, decided: Decided, saved: Callable[[Decided, Cost], float]) -> Iterator[Decided]:
        """Ever coarser models: each step adds the least noise for what it saves. Ends where nothing is saved."""
        while True:
            steps = [
                (n / -s, p, name) for p, name, n, c in self.changes(decided, False) if (s := saved(decided, c)) < 0
            ]
            if not steps:
                return
            _, place, name = min(steps)
            decided = {**decided, place: name}
            yield decided

    def refined(self, decided: Decided, fits: Callable[[Decided], bool]) -> Decided:
        """The model with the steps back that fit, those that take away most noise first."""
        while True:
            better = [(n, {**decided, p: name}) for p, name, n, _ in self.changes(decided, True) if n < 0]
            fitting = (d for _, d in sorted(better, key=lambda pair: pair[0]) if fits(d))
            if (chosen := next(fitting, None)) is None:
                return decided
            decided = chosen

    def said(self, place: Place, before: str, after: str) -> str:
        """``"CONV_2D 5: int8 -> int16x8"``."""
        where = f"{place[1]}" if place[0] == 0 else f"{place[1]} of subgraph {place[0]}"
        return f"{self.bench.name(place)} {where}: {before} -> {after}"
