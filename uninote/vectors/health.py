"""What vectors look like together: lengths, how much they point the same way, and that by width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from uninote.vectors.widths import truncate

# Two vectors are equal that are so far. A model's answer to one content differs by 1e-6 between batches.
DECIMALS = 4


@dataclass
class Health:
    """Sums over `count` vectors: of their lengths, and of their unit prefixes by width, float64 (width,).

    What it keeps does not grow with the number of vectors, so that tasks and chunks can be added up.
    """

    count: int = 0
    least_norm: float = np.inf
    most_norm: float = 0.0
    norms: float = 0.0
    sums: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, vectors: np.ndarray, widths: Sequence[int]) -> Health:
        """Measure vectors, float32 (n, width), at these widths."""
        if not len(vectors):
            return cls()
        norms = np.linalg.norm(vectors, axis=1).astype(np.float64)
        sums = {}
        for width in widths:
            # In float64: float32 would lose digits in a sum over millions of rows.
            sums[width] = truncate(vectors, width).sum(axis=0, dtype=np.float64)
        return cls(len(vectors), float(norms.min()), float(norms.max()), float(norms.sum()), sums)

    def add(self, other: Health) -> None:
        """Add what was measured of other vectors."""
        self.count += other.count
        self.least_norm = min(self.least_norm, other.least_norm)
        self.most_norm = max(self.most_norm, other.most_norm)
        self.norms += other.norms
        for width, total in other.sums.items():
            self.sums[width] = self.sums[width] + total if width in self.sums else total

    def mean_cosine(self, width: int) -> float:
        """Return the mean cosine of the vectors to their own mean: near 0 for any direction, 1 where all are equal."""
        return float(np.linalg.norm(self.sums[width])) / self.count

    def spread(self, width: int) -> float:
        """Return the variance of the unit prefixes: 0 where all are equal, 1 where they point anywhere."""
        return 1 - self.mean_cosine(width) ** 2

    def metrics(self) -> dict[str, float]:
        """Return what the ledger keeps; nothing without vectors."""
        if not self.count:
            return {}
        found = {
            "health_norm_min": self.least_norm,
            "health_norm_mean": self.norms / self.count,
            "health_norm_max": self.most_norm,
            "health_mean_cosine": self.mean_cosine(max(self.sums)),
        }
        for width in self.sums:
            found[f"health_spread_w{width}"] = self.spread(width)
        return found

    def pack(self) -> bytes:
        """Return it as bytes, for a column."""
        parts = [np.array([self.count, self.least_norm, self.most_norm, self.norms])]
        for width in sorted(self.sums):
            parts.append(self.sums[width])
        return np.concatenate(parts).tobytes()

    @classmethod
    def unpack(cls, content: bytes, widths: Sequence[int]) -> Health:
        """Return what `pack` made of one that was measured at these widths."""
        numbers = np.frombuffer(content, np.float64)
        found = cls(int(numbers[0]), float(numbers[1]), float(numbers[2]), float(numbers[3]))
        start = 4
        for width in sorted(widths):
            found.sums[width] = numbers[start : start + width]
            start += width
        return found


def equal_marks(vectors: np.ndarray) -> np.ndarray:
    """Return int64 (n,): equal numbers for equal vectors, float32 (n, width), and others for others."""
    # Adding 0 makes the zero of a small negative number the positive one.
    rounded = np.ascontiguousarray(np.round(vectors, DECIMALS) + np.float32(0))
    words = rounded.view(np.uint32).astype(np.uint64)
    # Odd weights that no two columns share, as of a polynomial hash: sums of products, wrapping, over a row.
    weights = np.cumprod(np.full(vectors.shape[1], 0x9E3779B97F4A7C15, np.uint64))
    mixed = (words ^ (words >> np.uint64(15))) * np.uint64(0xD6E8FEB86659FD93) * weights
    marks: np.ndarray = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64).view(np.int64)
    return marks


def differences(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return by how much each figure of health changed since another run that measured it."""
    changes = {}
    for name, value in now.items():
        if name.startswith("health_") and name in before:
            changes[name] = value - before[name]
    return changes
