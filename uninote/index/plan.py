"""How an index of so many vectors is laid out: how many lists, cells and shards, and how many bytes a vector takes."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

from uninote.errors import ConfigError

PQ_NBITS = 8
_ID_BYTES = 8
_LISTS_PER_SQRT_ROW = 4
_MIN_ROWS_PER_LIST = 39  # fewer training rows than this give FAISS poor centroids
_MAX_LISTS = 16_384  # past this k-means in one process takes hours
_TRAIN_ROWS_PER_LIST = 50
_MIN_TRAIN_ROWS = 65_536  # what FAISS uses at most to train codebooks of 8 bits
_WIDTH_PER_CODE_BYTE = 4
_MAX_PQ_M = 128
_SHARD_ROWS = 1_000_000
_SHARD_BYTES = 256 << 20
_CELLS_PER_SHARD = 4


@dataclass(frozen=True)
class IndexOverrides:
    """What the user fixes; None is planned."""

    nlist: int | None = None
    pq_m: int | None = None
    num_shards: int | None = None


@dataclass(frozen=True)
class IndexPlan:
    """The layout of one index. Each vector is coded in `pq_m` parts of `pq_nbits` bits."""

    rows: int
    width: int
    nlist: int
    num_cells: int
    num_shards: int
    pq_m: int
    pq_nbits: int
    train_rows: int

    @property
    def code_bytes(self) -> int:
        """Bytes of one vector's code, its id apart."""
        return -(-self.pq_m * self.pq_nbits // 8)

    @property
    def bytes_per_shard(self) -> int:
        """Estimate of a shard file's bytes: codes, ids, its share of the centroids and the codebooks."""
        stored = self.rows * (self.code_bytes + _ID_BYTES) + self.nlist * self.width * 4
        return stored // self.num_shards + (self.width << self.pq_nbits) * 4

    def fingerprint(self) -> str:
        """Return 16 hexadecimal characters over all that shapes the files; `rows` counts only through the rest."""
        shaping = {name: value for name, value in asdict(self).items() if name != "rows"}
        return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:16]


def plan_index(rows: int, width: int, overrides: IndexOverrides | None = None) -> IndexPlan:
    """Plan an index of `rows` >= 1 vectors. Raises ConfigError, listing every override that cannot be met."""
    chosen = overrides or IndexOverrides()
    _check(rows, width, chosen)
    nlist = chosen.nlist or _default_nlist(rows)
    pq_m = chosen.pq_m or _default_pq_m(width)
    num_shards = chosen.num_shards or _default_num_shards(rows, pq_m, nlist)
    if num_shards > nlist:
        raise ConfigError(f"index.num_shards is {num_shards}, with {nlist} lists to share out; ask for at most {nlist}")
    return IndexPlan(
        rows=rows,
        width=width,
        nlist=nlist,
        num_cells=min(nlist, num_shards * _CELLS_PER_SHARD),
        num_shards=num_shards,
        pq_m=pq_m,
        pq_nbits=PQ_NBITS,
        train_rows=min(rows, max(_MIN_TRAIN_ROWS, _TRAIN_ROWS_PER_LIST * nlist)),
    )


def _check(rows: int, width: int, chosen: IndexOverrides) -> None:
    problems = []
    if rows < 1 or width < 1:
        problems.append(f"{rows} rows of width {width}: an index needs at least 1 of each")
    if chosen.nlist is not None and not 1 <= chosen.nlist <= rows:
        problems.append(f"index.nlist is {chosen.nlist}; it must lie within 1 and the {rows} rows")
    if chosen.pq_m is not None and (chosen.pq_m < 1 or width % chosen.pq_m):
        problems.append(f"index.pq_m is {chosen.pq_m}; it must divide the width {width}")
    if chosen.num_shards is not None and chosen.num_shards < 1:
        problems.append(f"index.num_shards is {chosen.num_shards}; it must be at least 1")
    if problems:
        raise ConfigError("; ".join(problems))


def _default_nlist(rows: int) -> int:
    wanted = round(_LISTS_PER_SQRT_ROW * math.sqrt(rows))
    return max(1, min(wanted, rows // _MIN_ROWS_PER_LIST, _MAX_LISTS))


def _default_pq_m(width: int) -> int:
    """Return the divisor of `width` nearest, by ratio, to a code byte for every four dimensions."""
    target = min(_MAX_PQ_M, max(1, width // _WIDTH_PER_CODE_BYTE))
    divisors = [part for part in range(1, min(width, 2 * _MAX_PQ_M) + 1) if width % part == 0]
    return min(divisors, key=lambda part: abs(math.log(part / target)))


def _default_num_shards(rows: int, pq_m: int, nlist: int) -> int:
    wanted = max(math.ceil(rows / _SHARD_ROWS), math.ceil(rows * (pq_m + _ID_BYTES) / _SHARD_BYTES))
    return min(wanted, nlist)
