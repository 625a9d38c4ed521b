"""How hard the kernel looks: its settings, which of them reach a recall, and the memory that they take.

A plan is made of this alone: it imports nothing that compiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from uninote.errors import UninoteError

# Entries of a list past k: int8 scores order the last ones only roughly.
SPARE = 4
# A leaf may hold that many times the rows meant: cutting dense ones costs recall, not only time.
LEAF_PARTS = 6
SAMPLED_PART = 8  # one row in so many is sampled for pivots
WIDTH_STEP = 64  # codes are padded to whole vectors of bytes
MOST_FAN = 256
# Up to so many rows, exact float32 products cost about as much as codes that must be ranked again.
EXACT_ROWS = 4096
# Below, scoring every pair costs no more than finding those worth it.
_ALL_PAIRS_ROWS = 20_000
# Leaves grow as sqrt(n): scoring pivots, n^2 / leaf_rows, then grows no faster than scoring leaves.
_ROOT = 0.7
_LEAST = {"assignments": 1, "leaf_rows": 2, "fan": 1, "rounds": 0, "forward": 1, "around": 2, "length": 8}
# The last few neighbours would take as long as all the others.
_MOST_RECALL = 0.9995


class SettingsError(UninoteError):
    """The kernel cannot run with such settings."""


@dataclass(frozen=True)
class Settings:
    """How hard to look.

    `assignments` times, each row joins its `fan` nearest pivots, so many that a leaf holds about `leaf_rows`; in a
    leaf all pairs are scored. Then, `rounds` times, up to `around` rows joined to a row, either way, by the first
    `forward` entries of a list are scored against each other. Lists have `length` candidates, a multiple of 8, of which the
    best `depth` count; 0 is all but SPARE.
    `leaf_rows` of at least n means one leaf: all pairs. With `recall` below 1 the assignments end as soon as a sample
    says that this share is found, and all pairs are scored if none brings it about. `vnni` lets the kernel use AVX-512
    VNNI where the CPU has it; without it the lists are the same.
    """

    assignments: int
    leaf_rows: int
    fan: int = 2
    rounds: int = 1
    forward: int = 20
    around: int = 32
    length: int = 24
    depth: int = 0
    recall: float = 1.0
    vnni: bool = True

    @property
    def edges(self) -> int:
        """How many entries of a list a local join follows."""
        return min(self.forward, self.length)

    def __post_init__(self) -> None:
        """Refuse what would leave the compiled code without room: it checks nothing."""
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.depth == 0:
            object.__setattr__(self, "depth", self.length - SPARE)
        if self.length % 8 or self.fan > MOST_FAN or not 0 < self.recall <= 1:
            raise SettingsError(
                f"length is {self.length}, fan {self.fan} and recall {self.recall}; they must be a multiple of 8, at "
                f"most {MOST_FAN}, and above 0 and at most 1"
            )


class Search(NamedTuple):
    """What is looked for: `depth` neighbours a row. Those after the first `k` are spare ones, for when some of these go."""

    k: int
    depth: int
    recall: float
    seed: int

    def with_candidates(self, candidates: int) -> Search:
        """Return a search for so many neighbours, with spare ones in proportion; 0: for as many as this one's."""
        if not candidates:
            return self
        # Longer lists lose more entries in a night.
        return self._replace(k=candidates, depth=-(-self.depth * candidates // self.k))


def settings_for(rows: int, k: int, recall: float, depth: int | None = None) -> Settings:
    """Return settings that look until a sample says that `recall` is reached, however hard the data are.

    It is that of the best `depth`, `k` where None: the effort is that for `k`, whose spare entries the others are.
    """
    depth = max(depth or k, k)
    length = max(list_length(k), _round_up(depth, 8))
    if rows <= _ALL_PAIRS_ROWS:
        return Settings(assignments=1, leaf_rows=rows, rounds=0, length=length, depth=depth)
    leaf_rows = round(max(500, _ROOT * math.sqrt(rows)) * max(1, k / 20) ** 0.5)
    # What one assignment scores for each row: the pivots, and two leaves.
    pairs_a_row = rows * 2 // leaf_rows + 2 * leaf_rows
    return Settings(
        # As many as cost no more than all pairs, which are scored if no assignment reaches the recall.
        assignments=max(8, rows // pairs_a_row),
        leaf_rows=leaf_rows,
        forward=max(k, 20),
        around=_round_up(max(k, 20) * 3 // 2, 32),
        length=length,
        depth=depth,
        recall=min(recall, _MOST_RECALL),
    )


def list_length(k: int) -> int:
    """Return the shortest list that holds `k` candidates and some to spare."""
    return _round_up(k + SPARE, 8)


def code_width(width: int) -> int:
    """Return the bytes of a row's code: a multiple of WIDTH_STEP."""
    return max(WIDTH_STEP, _round_up(width, WIDTH_STEP))


def workspace_rows(rows: int, settings: Settings) -> int:
    """Return how many rows the largest leaf may have: all, where there is one leaf."""
    return max(min(LEAF_PARTS * settings.leaf_rows, rows), num_pivots(rows, settings), settings.around, 2)


def num_pivots(rows: int, settings: Settings) -> int:
    """Return how many pivots an assignment has, at most one a row."""
    if settings.leaf_rows >= rows:
        return 1
    return min(rows, max(settings.fan, rows * settings.fan // settings.leaf_rows))


def needed_bytes(rows: int, width: int, k: int, settings: Settings) -> int:
    """Return about the bytes that `top_k` holds at its peak, beside its input and the code itself.

    Each row: its code twice while rows are put in order, meta and limits, the list, two groups' places, the sample that
    pivots are means of or the edges of local joins both ways, and what is returned. The workspace holds a leaf's codes twice.
    """
    length = max(settings.length, list_length(k))
    forward = settings.forward if settings.rounds else 0
    codes = 2 * (code_width(width) + 24) + 8 * length
    working = max(3 * 4 * settings.fan + 16, 4 * forward + 2 * 4 * forward + 16)
    sample = 12 + 4 * settings.fan + (code_width(width) + 24) // SAMPLED_PART
    result = 8 * k
    workspace = workspace_rows(rows, settings) * 2 * (code_width(width) + 16)
    return rows * (codes + 16 + max(working, sample, result)) + workspace


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step
