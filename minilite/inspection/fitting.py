"""The search within a budget: the best model that fits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from minilite.errors import ArgumentError
from minilite.inspection.choices import Decided
from minilite.inspection.costs import Cost
from minilite.inspection.searching import WIDTH, Found, Move, Search
from minilite.inspection.trials import Place

LEAST_GAIN = 0.01
"""By how many dB a model must be better to be taken for it."""
WORTH_CONVERTING = 1.0
"""By how many dB where an operator that would follow its neighbours is refined instead, which takes conversions."""
GUESSES = 8


@dataclass(frozen=True)
class Budget:
    """Bytes, and MACs times bits; None for no limit."""

    size: float | None = None
    mac_bits: float | None = None

    def fits(self, size: float, mac_bits: float) -> bool:
        """Whether costs are within both."""
        return (self.size is None or size <= self.size) and (self.mac_bits is None or mac_bits <= self.mac_bits)

    def excess(self, cost: Cost, of: Cost) -> float:
        """What ``of`` counts towards limits that ``cost`` exceeds, in parts of them."""
        pairs = ((self.size, cost.size, of.size), (self.mac_bits, cost.mac_bits, of.mac_bits))
        return sum(part / limit for limit, whole, part in pairs if limit is not None and whole > limit)


class Fitting:
    """The best model within a budget."""

    def __init__(self, search: Search, budget: Budget):
        self.search, self.budget = search, budget

    def run(self) -> Found:
        """Raises :class:`ArgumentError` when even the coarsest schemes exceed the budget."""
        uniforms = self.search.uniforms()
        guess = self._guess(uniforms)
        pool = [f for f in (*uniforms, guess) if self._fits(f)]
        best = max(pool, key=lambda f: (f.measure.quality, -f.size, -f.mac_bits))
        self.search.note((*uniforms, guess), best)
        for _ in range(self.search.rounds):
            tried = self.search.measured(self._moves(best))
            better = [f for f in tried if self._fits(f) and self._is_better(f, best)]
            if not better:
                self.search.note(tried, None)
                break
            best = max(better, key=lambda f: f.measure.quality)
            self.search.note(tried, best)
        return best

    def _fits(self, found: Found) -> bool:
        return self.budget.fits(found.size, found.mac_bits)

    def _is_better(self, found: Found, best: Found) -> bool:
        least = LEAST_GAIN
        if found.converts and found.measure.score is None:
            least = WORTH_CONVERTING
        return found.measure.quality > best.measure.quality + (least if found.measure.score is None else 0)

    # ---- the first guess -----------------------------------------------------------------------------------------

    def _guess(self, uniforms: list[Found]) -> Found:
        """The estimate's best. Where the model turns out to be larger than estimated, the next guess aims lower."""
        aim, found = self.budget, uniforms[-1]
        for _ in range(GUESSES):
            decided = self._aimed(aim)
            if decided is None:
                break
            (found,) = self.search.measured([Move("first guess", decided, 0.0)])
            if self._fits(found):
                return found
            aim = Budget(_lowered(aim.size, self.budget.size, found.size), aim.mac_bits)
        (least,) = self.search.measured([Move("coarsest", self._coarsest(), 0.0)])
        if not self._fits(least):
            raise ArgumentError(
                f"no assignment fits {_said(self.budget)}: with {', '.join(self.search.candidates)} the model has at "
                f"least {least.size:,} bytes of constants and {least.mac_bits:,} MACs times bits."
            )
        return least

    def _coarsest(self) -> Decided:
        choices = self.search.choices
        return {p: list(choices.options[p])[-1] for p in choices.decided}

    def _aimed(self, aim: Budget) -> Decided | None:
        search, choices = self.search, self.search.choices

        def fits(decided: Decided) -> bool:
            cost = choices.estimate(decided)
            return aim.fits(cost.size, cost.mac_bits)

        def saved(decided: Decided, change: Cost) -> float:
            return aim.excess(choices.estimate(decided), change)

        way = itertools.chain([choices.finest], search.coarsened(choices.finest, saved))
        first = next((decided for decided in way if fits(decided)), None)
        return None if first is None else search.refined(first, fits)

    # ---- improvements --------------------------------------------------------------------------------------------

    def _moves(self, best: Found) -> list[Move]:
        """The most promising: one operator refined, if need be another coarsened for that; or one that follows
        refined."""
        moves = [m for change in self._refinements(best) if (m := self._paid(best, *change)) is not None]
        moves = sorted(moves, key=lambda m: m.promise)[: WIDTH - 2]
        return [*moves, *itertools.islice(self._conversions(best), WIDTH - len(moves))]

    def _refinements(self, best: Found) -> list[tuple[Place, str, float]]:
        found = [(p, name, n) for p, name, n, _ in self.search.changes(best.decided, True) if n < 0]
        return sorted(found, key=lambda change: change[2])[: 2 * WIDTH]

    def _paid(self, best: Found, place: Place, name: str, noise: float) -> Move | None:
        """The refinement, with the cheapest other change that makes room for it; None where it cannot be paid."""
        said = self.search.said(place, best.decided[place], name)
        finer = {**best.decided, place: name}
        if self._would_fit(best, finer):
            return Move(said, finer, noise)
        for other, coarser, more, _ in sorted(self.search.changes(finer, False), key=lambda change: change[2]):
            paid = {**finer, other: coarser}
            if other != place and self._would_fit(best, paid):
                return Move(f"{said}; {self.search.said(other, finer[other], coarser)}", paid, noise + more)
        return None

    def _would_fit(self, best: Found, decided: Decided) -> bool:
        """By the estimate, corrected by how far it is off for the best."""
        was, will = (self.search.choices.estimate(d) for d in (best.decided, decided))
        return self.budget.fits(best.size + will.size - was.size, best.mac_bits + will.mac_bits - was.mac_bits)

    def _conversions(self, best: Found) -> Iterator[Move]:
        choices = self.search.choices
        coarse = [p for p in choices.followers if best.assignment[p] != next(iter(choices.options[p]))]
        noise = self.search.noise_of(coarse, best.assignment)
        for place in sorted(coarse, key=lambda p: -noise[p]):
            finest = next(iter(choices.options[place]))
            said = self.search.said(place, best.assignment[place], finest)
            yield Move(said, {**best.decided, place: finest}, -noise[place], converts=True)


def _lowered(aim: float | None, limit: float | None, size: int) -> float | None:
    return aim if aim is None or limit is None or size <= limit else aim - 1.02 * (size - limit)


def _said(budget: Budget) -> str:
    parts = (budget.size, "bytes of constants"), (budget.mac_bits, "MACs times bits")
    return " and ".join(f"{int(limit):,} {what}" for limit, what in parts if limit is not None)
