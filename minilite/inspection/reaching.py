"""The search for a target: the cheapest model that reaches it."""

from __future__ import annotations

from minilite.errors import ArgumentError
from minilite.inspection.choices import Decided
from minilite.inspection.searching import WIDTH, Found, Move, Search


class Reaching:
    """The cheapest model that reaches a target: the least sum of its shares of the float model's costs."""

    def __init__(self, search: Search, target: float, size: int, mac_bits: int):
        self.search, self.target, self.whole = search, target, (max(size, 1), max(mac_bits, 1))

    def run(self) -> Found:
        """Raises :class:`ArgumentError` when even the finest schemes miss the target."""
        uniforms = self.search.uniforms()
        finest = self.search.choices.finest
        way = [finest, *self.search.coarsened(finest, lambda _, change: self._share(change.size, change.mac_bits))]
        last = self._last(way)
        pool = [f for f in (*uniforms, last) if self._reaches(f)]
        if not pool:
            raise ArgumentError(
                f"no assignment reaches {self.target:g} dB: with {', '.join(self.search.candidates)} the best measured "
                f"is {max(f.measure.sqnr for f in (*uniforms, last)):.1f} dB."
            )
        best = min(pool, key=self._cost)
        self.search.note((*uniforms, last), best)
        for _ in range(self.search.rounds):
            tried = self.search.measured(self._moves(best))
            cheaper = [f for f in tried if self._reaches(f) and self._cost(f) < self._cost(best)]
            if not cheaper:
                self.search.note(tried, None)
                break
            best = min(cheaper, key=self._cost)
            self.search.note(tried, best)
        return best

    def _share(self, size: float, mac_bits: float) -> float:
        return size / self.whole[0] + mac_bits / self.whole[1]

    def _cost(self, found: Found) -> float:
        return self._share(found.size, found.mac_bits)

    def _reaches(self, found: Found) -> bool:
        return found.measure.sqnr >= self.target

    def _last(self, way: list[Decided]) -> Found:
        """The coarsest model on the way that reaches the target, by bisection; the first if none does."""
        low, high = 0, len(way)
        (best,) = self.search.measured([Move("first guess", way[0], 0.0)])
        while high - low > 1:
            middle = (low + high) // 2
            (found,) = self.search.measured([Move("first guess", way[middle], 0.0)])
            low, high = (middle, high) if self._reaches(found) else (low, middle)
            best = found if self._reaches(found) else best
        return best

    def _moves(self, best: Found) -> list[Move]:
        moves = [
            Move(self.search.said(p, best.decided[p], name), {**best.decided, p: name}, noise / saved)
            for p, name, noise, cost in self.search.changes(best.decided, False)
            if (saved := -self._share(cost.size, cost.mac_bits)) > 0
        ]
        return sorted(moves, key=lambda m: m.promise)[:WIDTH]
