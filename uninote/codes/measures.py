"""What codes are worth: how evenly they are used, what notes with the same beginnings have in common, what neighbours share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uninote.codes.packing import pack
from uninote.vectors.kmeans import fit_kmeans, nearest_centroids

_MOST_CENTROIDS = 1024  # of plain k-means, which more would take minutes


def entropy(counts: np.ndarray) -> float:
    """Return the entropy of how often codes are taken, over that of codes taken equally often: 1 at best, 0 for one code."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(counts))) if len(counts) > 1 else 1.0


def purity(groups: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of notes that have the label which is the most frequent in their group; both int64 (n,)."""
    pairs, counts = np.unique(np.stack([groups, labels]), axis=1, return_counts=True)
    starts = np.flatnonzero(np.concatenate([[True], pairs[0][1:] != pairs[0][:-1]]))
    return float(np.maximum.reduceat(counts, starts).sum() / len(groups))


def prefixes(codes: np.ndarray, size: int) -> list[np.ndarray]:
    """Return int64 (n,) for each number of codes, from one on: those first codes of each note, packed."""
    return [pack(codes[:, : level + 1], size) for level in range(codes.shape[1])]


def purities(codes: np.ndarray, size: int, labels: np.ndarray, vectors: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Return the purity by the first codes of notes, by their number, beside random codes and plain k-means of equal size.

    `codes` int (n, levels), `labels` int64 (n,), `vectors` float32 (n, width). Random codes are those of other notes: groups of
    the same sizes. Plain k-means has as many centroids as notes have different beginnings, and is left out above 1,024.
    """
    random = np.random.default_rng(seed)
    found = {}
    for level, groups in enumerate(prefixes(codes, size), 1):
        found[f"purity_{level}"] = purity(groups, labels)
        found[f"purity_random_{level}"] = purity(random.permutation(groups), labels)
        used = len(np.unique(groups))
        if used <= _MOST_CENTROIDS:
            centroids = fit_kmeans(vectors, used, seed)
            found[f"purity_kmeans_{level}"] = purity(
                nearest_centroids(vectors, centroids)[:, 0].astype(np.int64), labels
            )
    return found


def preserved(codes: np.ndarray, neighbours: np.ndarray, of_neighbours: np.ndarray) -> list[float]:
    """Return, by number of first codes, which share of notes' neighbours have the same ones.

    `codes` int (n, levels); `neighbours` bool (n, k) says where there is one, `of_neighbours` int (n, k, levels) are its codes.
    """
    same = np.logical_and.accumulate(of_neighbours == codes[:, None], axis=2)
    total = max(1, int(neighbours.sum()))
    return [float((same[:, :, level] & neighbours).sum() / total) for level in range(codes.shape[1])]


def numbers_of(labels: Sequence[str | None]) -> np.ndarray:
    """Return int64 (n,): a number for each different label, -1 for none."""
    known = {label: number for number, label in enumerate(sorted({one for one in labels if one}))}
    return np.array([known.get(label, -1) if label else -1 for label in labels], np.int64)
