"""What an interpreter keeps from one invoke to the next."""

from __future__ import annotations

import copy

import numpy as np

Array = np.ndarray


class Values(dict[int, Array]):
    """The variables of an interpreter by id. ``holder`` is who has put all of its own in place, since when none was
    assigned."""

    holder: object = None

    def __setitem__(self, key: int, value: Array) -> None:
        self.holder = None
        super().__setitem__(key, value)

    def __deepcopy__(self, memo: dict[int, object]) -> Values:
        return Values(copy.deepcopy(dict(self), memo))
