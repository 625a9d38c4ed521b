"""Partitions of a full join, kept so that a few changed rows need to meet only the rows in the leaves near them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Partition(NamedTuple):
    """Rows gathered around random leaders: `leaders` float32 (l, width), the leaders' vectors; `leaves` int32 (n, fan),
    each row's nearest leaders, nearest first."""

    leaders: np.ndarray
    leaves: np.ndarray


def teller(vectors: np.ndarray, partitions: list[Partition]) -> Callable[[np.ndarray, np.ndarray], None]:
    """Return what adds to `partitions` one told as rows of `vectors`, float32 or float16 (n, width), and leaves."""

    def tell(leaders: np.ndarray, leaves: np.ndarray) -> None:
        partitions.append(Partition(vectors[leaders].astype(np.float32), leaves))

    return tell
