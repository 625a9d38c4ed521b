"""Narrower vectors out of wider ones, the Matryoshka way."""

from __future__ import annotations

import numpy as np

from uninote.errors import UninoteError


def truncate(vectors: np.ndarray, width: int) -> np.ndarray:
    """Truncate to `width` and renormalise rows. Returns float32 (n, width), a copy.

    A row whose prefix is zero stays zero: it has no direction. Raises UninoteError when `width` is not within 1 and the
    width of `vectors`.
    """
    if vectors.ndim != 2:
        raise UninoteError(f"vectors have shape {vectors.shape}; truncate takes (rows, width)")
    if not 1 <= width <= vectors.shape[1]:
        raise UninoteError(f"width {width} cannot be cut from vectors of width {vectors.shape[1]}; the least is 1")
    prefix: np.ndarray = vectors[:, :width].astype(np.float32)
    norms = np.linalg.norm(prefix, axis=1, keepdims=True)
    np.divide(prefix, norms, out=prefix, where=norms > 0)
    return prefix
