"""Which examples make the batch of a step: a pure function of (seed, step), so that a resumed run goes on exactly.

A batch is of one strategy [ours]: in-batch negatives then are of the kind that is searched for, as they will be in use, and
cannot be recognised by their modality alone. Strategies take turns, each once a round in an order drawn for the round,
whatever their sizes, as the paper gives each of its nine the same number of samples. Within a strategy, examples come in
a new order each epoch; what does not fill a batch at its end is left for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Name = TypeVar("Name")


def turn(names: Sequence[Name], seed: int, step: int) -> tuple[Name, int]:
    """Return whose turn `step` (from 0) is, and which batch of its own that is, from 0."""
    round_number, place = divmod(step, len(names))
    order = np.random.default_rng([seed, 1, round_number]).permutation(len(names))
    return names[int(order[place])], round_number


def rows_of(size: int, batch: int, key: tuple[int, int], number: int) -> np.ndarray:
    """Return int64 rows of batch `number` of a list of `size`, `batch` rows or all there are. `key` is (seed, list)."""
    batch = min(batch, size)
    epoch, place = divmod(number, size // batch)
    order = np.random.default_rng([*key, epoch]).permutation(size)
    return order[place * batch : (place + 1) * batch]
