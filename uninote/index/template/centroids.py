"""Which lists are near a vector: by comparing with all centroids, or past some ten thousands, with those of near groups."""

from __future__ import annotations

import faiss
import numpy as np

from uninote.vectors.kmeans import check_vectors, nearest_centroids

# The lists of so many groups are compared. What lies in others is missed, which costs recall at few probed lists.
_PROBED_GROUPS = 16


class Centroids:
    """The centres of the lists, float32 (nlist, width), and a way to the nearest of them.

    `groups`, float32 (groups, width), are centres of groups of lists; with none, the nearest lists are exact. With
    groups, the lists of the 16 nearest groups are compared: the same for the rows that are added and for queries, so what
    is missed costs recall at few probed lists, and nothing else. For use by several threads.
    """

    def __init__(self, centres: np.ndarray, groups: np.ndarray | None = None) -> None:
        self.centres = centres
        self.groups = groups
        self._lookup = None if groups is None or not len(groups) else self._by_group(groups)

    def nearest(self, vectors: np.ndarray, count: int = 1) -> np.ndarray:
        """Return int32 (n, min(count, nlist)): the lists nearest to each of `vectors`, float32 (n, width), nearest first."""
        count = min(count, len(self.centres))
        if self._lookup is None:
            return nearest_centroids(vectors, self.centres, count)
        check_vectors(vectors, self.centres.shape[1])
        groups = min(len(self.groups), max(_PROBED_GROUPS, 2 * count * len(self.groups) // len(self.centres)))  # type: ignore[arg-type]
        found = self._search(vectors, count, groups)
        # The groups that were probed hold fewer lists than were asked for.
        if (found < 0).any():
            found = self._search(vectors, count, len(self.groups))  # type: ignore[arg-type]
        return found.astype(np.int32)

    def _search(self, vectors: np.ndarray, count: int, groups: int) -> np.ndarray:
        settings = faiss.SearchParametersIVF(nprobe=groups)
        return np.asarray(self._lookup.search(vectors - self._middle, count, params=settings)[1])  # type: ignore[union-attr]

    def _by_group(self, groups: np.ndarray) -> faiss.IndexIVFFlat:
        # Centred, as in uninote.vectors.kmeans: products of vectors in a cone lose their small differences.
        self._middle = self.centres.mean(axis=0, dtype=np.float64).astype(np.float32)
        quantizer = faiss.IndexFlatL2(self.centres.shape[1])
        quantizer.add(groups - self._middle)
        lookup = faiss.IndexIVFFlat(quantizer, self.centres.shape[1], len(groups))
        lookup.is_trained = True
        lookup.add(self.centres - self._middle)
        return lookup
