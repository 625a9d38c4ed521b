"""What a foreign vector must be before it becomes one of ours, and what it is called while nobody looked at it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from uninote.vectors.unit_length import TOLERANCE

# In the place of a content hash, where a note has no vector of its own to hash.
MISSING = "vector_missing"
REPEATED = "vector_repeated"
# Of the narrowest prefix of a unit vector: less is rounding, and no direction.
LEAST_NORM = 1e-6


@dataclass(frozen=True)
class Checks:
    """The rules: how many numbers a vector has, whether we bring it to length 1, and the least width it is cut to."""

    width: int
    normalise: bool
    narrowest: int


@dataclass(frozen=True)
class Verdict:
    """The unit vector, float32 (width,), or else the reason and a message."""

    vector: np.ndarray | None
    reason: str = ""
    message: str = ""


def hash_vector(vector: np.ndarray | None) -> str:
    """Return 32 hexadecimal characters over the numbers as float32 and their order; MISSING for None."""
    if vector is None:
        return MISSING
    return hashlib.sha256(vector.astype(np.float32).tobytes()).hexdigest()[:32]


def check_vector(vector: np.ndarray, checks: Checks) -> Verdict:
    """Return what becomes of a vector of numbers, (any,)."""
    if len(vector) != checks.width:
        message = f"the vector has {len(vector)} numbers, the others have {checks.width}"
        return Verdict(None, "vector_width", message)
    # float64: the squares of numbers that float32 holds may be past its range.
    wide = vector.astype(np.float64)
    if not np.isfinite(wide).all():
        return Verdict(None, "vector_not_finite", "the vector holds NaN, infinity or a null")
    length = float(np.linalg.norm(wide))
    if not checks.normalise and length > 0 and abs(length * length - 1) > TOLERANCE:
        message = f"the vector has length {length:.6g}; it must be 1, or embed.vectors_from.normalise be true"
        return Verdict(None, "vector_not_unit", message)
    unit = (wide / (length or 1.0)).astype(np.float32)
    if np.linalg.norm(unit[: checks.narrowest]) < LEAST_NORM:
        message = f"the first {checks.narrowest} numbers of the vector are all 0: such a vector is near nothing"
        return Verdict(None, "vector_zero", message)
    return Verdict(unit)


def explain_missing(content_hash: str) -> Verdict:
    """Return why an item of that content hash has no vector at all."""
    if content_hash == MISSING:
        return Verdict(None, MISSING, "the table of vectors has none of this note")
    if content_hash.startswith(REPEATED):
        message = "the table of vectors has several of this note, which differ: nobody knows which one is right"
        return Verdict(None, REPEATED, message)
    return Verdict(None, MISSING, "the table of vectors changed while it was read; the next run takes its new state")
