"""Assignments of a full join, kept so that a few changed rows need to meet only the rows in the leaves near them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Assignment(NamedTuple):
    """Rows gathered around random pivots: `pivots` float32 (l, width), the pivots' vectors; `leaves` int32 (n, fan),
    each row's nearest pivots, nearest first."""

    pivots: np.ndarray
    leaves: np.ndarray


def recorder(vectors: np.ndarray, assignments: list[Assignment]) -> Callable[[np.ndarray, np.ndarray], None]:
    """Return what adds to `assignments` one given as rows of `vectors`, float32 or float16 (n, width), and leaves."""

    def record(pivots: np.ndarray, leaves: np.ndarray) -> None:
        assignments.append(Assignment(vectors[pivots].astype(np.float32), leaves))

    return record
