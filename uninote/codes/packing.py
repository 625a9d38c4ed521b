"""The codes before the last as one number: what tables are joined by."""

from __future__ import annotations

import numpy as np


def pack(codes: np.ndarray, size: int) -> np.ndarray:
    """Return int64 (n,): each row of `codes`, integers (n, levels) below `size`, as the digits of a number."""
    packed = np.zeros(len(codes), np.int64)
    for level in codes.T:
        packed *= size
        packed += level
    return packed


def unpack(packed: np.ndarray, levels: int, size: int) -> np.ndarray:
    """Return int32 (n, levels): what `pack` made of it."""
    codes = np.empty((len(packed), levels), np.int32)
    left = packed.copy()
    for level in reversed(range(levels)):
        codes[:, level] = left % size
        left //= size
    return codes
