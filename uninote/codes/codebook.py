"""A codebook: the centroids of every level, and what they make of a vector."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from uninote.codes.nearest import BLOCK_ROWS, nearest_codes
from uninote.errors import UninoteError
from uninote.vectors.kmeans import check_vectors


class CodebookError(UninoteError):
    """A codebook cannot be made, opened or used as asked."""


class TooFewNotesError(CodebookError):
    """A codebook cannot be fitted to so few different vectors."""


class Encoding(NamedTuple):
    """What vectors are coded as: `codes` int32 (n, levels); `errors` float32 (n, levels), the squared distances left."""

    codes: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True)
class Codebook:
    """Levels of centroids for vectors of one generation and width; a level codes what those before it left.

    `centre` float32 (width,) is what all vectors have in common; `centroids` float32 (levels, size, width); `prices` float32
    (levels, size) are added to squared distances, and keep codes from being taken too often. `version` numbers the codebooks
    of a lake from 1. `errors` (levels,) are the mean squared distances left of the sample that it was fitted to.
    """

    version: int
    generation: str
    centre: np.ndarray
    centroids: np.ndarray
    prices: np.ndarray
    errors: tuple[float, ...] = field(default=())

    @property
    def levels(self) -> int:
        """Return how many levels there are before the last code, which is no centroid's."""
        return len(self.centroids)

    @property
    def size(self) -> int:
        """Return how many codes a level has."""
        return int(self.centroids.shape[1])

    @property
    def width(self) -> int:
        """Return how many numbers a vector has."""
        return int(self.centroids.shape[2])

    @cached_property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that stand for all that codes depend on."""
        facts = json.dumps([self.version, self.generation, self.centroids.shape])
        digest = hashlib.sha256(facts.encode())
        for part in (self.centre, self.centroids, self.prices):
            digest.update(np.ascontiguousarray(part, "<f4").tobytes())
        return digest.hexdigest()[:16]

    def check_generation(self, generation: str, width: int) -> None:
        """Raise CodebookError unless vectors of this generation and width are those that it is for."""
        if (generation, width) != (self.generation, self.width):
            raise CodebookError(
                f"codebook {self.version} is for vectors of generation {self.generation} and width {self.width}, and these are "
                f"of {generation} and {width}; make another with jobs/codes.py --new-codebook"
            )

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Return int32 (n, levels): the codes of `vectors`, float32 (n, width), without the last.

        A vector's codes do not depend on the others. Raises ClusteringError for another width or type, and for NaN.
        """
        return self.encode_with_errors(vectors).codes

    def encode_with_errors(self, vectors: np.ndarray) -> Encoding:
        """Return the codes of `vectors`, float32 (n, width), and how far from them they are."""
        check_vectors(vectors, self.width)
        found = Encoding(
            np.empty((len(vectors), self.levels), np.int32), np.empty((len(vectors), self.levels), np.float32)
        )
        for first in range(0, len(vectors), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            left = vectors[rows] - self.centre
            for level in range(self.levels):
                codes = nearest_codes(left, self.centroids[level], self.prices[level])
                left -= self.centroids[level][codes]
                found.codes[rows, level] = codes
                found.errors[rows, level] = np.einsum("nd,nd->n", left, left)
        return found

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return float32 (n, width): what `codes`, integers (n, any), say of vectors; codes after `levels` are passed over.

        Raises CodebookError for numbers that are no codes, and for another shape.
        """
        self._check_codes(codes)
        made = np.repeat(self.centre[None], len(codes), axis=0)
        for level in range(min(self.levels, codes.shape[1])):
            made += self.centroids[level][codes[:, level]]
        return made

    def _check_codes(self, codes: np.ndarray) -> None:
        if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
            raise CodebookError(f"codes are {codes.dtype} {codes.shape}; they must be integers (rows, levels)")
        mine = codes[:, : self.levels]
        wrong = mine[(mine < 0) | (mine >= self.size)]
        # A negative one would be counted from the end, and so be another code.
        if len(wrong):
            raise CodebookError(f"{wrong[0]} is no code of codebook {self.version}, which has 0 to {self.size - 1}")
