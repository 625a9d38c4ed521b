"""How an index of so many vectors is laid out, what that takes, and whether it fits; arithmetic only, no data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from uninote.errors import ConfigError

PQ_NBITS = 8
FLAT_LISTS = 16_384  # past this k-means in one process takes hours, and assignment to lists most of a build
_ID_BYTES = 8
_KEY_BYTES = 64  # of a row in the file of keys: key, note_id and what filters use
_LISTS_PER_SQRT_ROW = 4
_MIN_ROWS_PER_LIST = 39  # fewer training rows than this give FAISS poor centroids
_MOST_LISTS = 1 << 20
_TRAIN_ROWS_PER_LIST = 50
_MIN_TRAIN_ROWS = 65_536  # what FAISS uses at most to train codebooks of 8 bits
_MAX_PQ_M = 256
_SHARD_ROWS = 1_000_000
_SHARD_BYTES = 256 << 20
_CELLS_PER_SHARD = 4
_PROCESS_BYTES = 300 << 20  # Python with numpy, Arrow and FAISS
_BATCH_ROWS = 10_000  # of Spark's Arrow batches
_BATCH_COPIES = 5  # as it comes, aligned, rotated, centred, and as residuals
_TEMPLATE_COPIES = 3  # in FAISS, as an array, and centred for looking up
_GROWTH = 2  # lists grow by doubling, and what they outgrew is freed only afterwards
_FLOPS = 3e10  # of one core in float32 matrix products
_CODE_RATE = 4e8  # sub-vector components that one core codes a second, all 256 codewords together
_PROBED_GROUPS = 16


@dataclass(frozen=True)
class IndexOverrides:
    """What the user fixes; None is planned. `recall` and the two budgets, in MiB, steer what is planned.

    `serve_mib` is for all shards together, `task_mib` for the memory of one building task.
    """

    nlist: int | None = None
    pq_m: int | None = None
    num_shards: int | None = None
    opq: bool = False
    recall: float = 0.9
    serve_mib: int | None = None
    task_mib: int = 2048


@dataclass(frozen=True)
class IndexPlan:
    """The layout of one index. Each vector is coded in `pq_m` parts of `pq_nbits` bits, rotated first where `opq`.

    `groups` is 0 where every vector is compared with all centroids; past FLAT_LISTS lists they are trained and looked up
    in two levels, by so many groups.
    """

    rows: int
    width: int
    nlist: int
    num_cells: int
    num_shards: int
    pq_m: int
    pq_nbits: int
    train_rows: int
    opq: bool = False
    groups: int = 0

    @property
    def code_bytes(self) -> int:
        """Bytes of one vector's code, its id apart."""
        return -(-self.pq_m * self.pq_nbits // 8)

    @property
    def template_bytes(self) -> int:
        """Bytes of centroids, codebooks and rotation."""
        rotation = self.width**2 * 4 if self.opq else 0
        return self.nlist * self.width * 4 + (self.width << self.pq_nbits) * 4 + rotation

    @property
    def bytes_per_shard(self) -> int:
        """Estimate of a shard's FAISS file: codes, ids, its share of the centroids and the codebooks."""
        stored = self.rows * (self.code_bytes + _ID_BYTES) + self.nlist * self.width * 4
        return stored // self.num_shards + (self.width << self.pq_nbits) * 4

    @property
    def total_bytes(self) -> int:
        """Estimate of all files that serve: shards, their keys, and the template."""
        return self.num_shards * self.bytes_per_shard + self.rows * _KEY_BYTES + self.template_bytes

    @property
    def task_bytes(self) -> int:
        """Most memory of one building task: the process, the template, a batch on its way, and the growing shard."""
        batch = _BATCH_ROWS * self.width * 4 * _BATCH_COPIES
        shard = _GROWTH * self.bytes_per_shard + self.rows // self.num_shards * _KEY_BYTES
        return _PROCESS_BYTES + _TEMPLATE_COPIES * self.template_bytes + batch + shard

    @property
    def train_bytes(self) -> int:
        """Memory that training takes on the driver: the sample, and its residuals."""
        on_driver = min(self.train_rows, max(_MIN_TRAIN_ROWS, 256 * self.groups)) if self.groups else self.train_rows
        return _PROCESS_BYTES + 3 * on_driver * self.width * 4 + self.template_bytes

    @property
    def cpu_seconds(self) -> float:
        """Rough CPU-seconds of training and building on one kind of core, reading the table apart."""
        compared = self.nlist if not self.groups else self.groups + _PROBED_GROUPS * (self.nlist // self.groups)
        assign = self.rows * compared * self.width * 2 / _FLOPS
        code = self.rows * self.width / _CODE_RATE * (1 << self.pq_nbits) / 64
        rounds = 15 * (self.nlist // max(1, self.groups) + self.groups)
        return assign + code + self.train_rows * rounds * self.width * 2 / _FLOPS

    def describe(self) -> dict[str, int | float | bool]:
        """Return the plan and what it takes, for people: bytes, and CPU-hours."""
        takes = {
            "bytes_per_shard": self.bytes_per_shard,
            "total_bytes": self.total_bytes,
            "task_bytes": self.task_bytes,
            "train_bytes": self.train_bytes,
            "cpu_hours": round(self.cpu_seconds / 3600, 3),
        }
        return asdict(self) | takes


def plan_index(rows: int, width: int, overrides: IndexOverrides | None = None) -> IndexPlan:
    """Plan an index of `rows` >= 1 vectors. Raises ConfigError, listing everything that cannot be met."""
    chosen = overrides or IndexOverrides()
    _check(rows, width, chosen)
    nlist = chosen.nlist or _default_nlist(rows)
    pq_m = chosen.pq_m or _default_pq_m(rows, width, nlist, chosen)
    num_shards = chosen.num_shards or _default_num_shards(rows, pq_m, nlist)
    if num_shards > nlist:
        raise ConfigError(f"index.num_shards is {num_shards}, with {nlist} lists to share out; ask for at most {nlist}")
    plan = IndexPlan(
        rows=rows,
        width=width,
        nlist=nlist,
        num_cells=min(nlist, num_shards * _CELLS_PER_SHARD),
        num_shards=num_shards,
        pq_m=pq_m,
        pq_nbits=PQ_NBITS,
        train_rows=min(rows, max(_MIN_TRAIN_ROWS, _TRAIN_ROWS_PER_LIST * nlist)),
        opq=chosen.opq,
        groups=round(math.sqrt(nlist)) if nlist > FLAT_LISTS else 0,
    )
    return _fitting(plan, chosen)


def _fitting(plan: IndexPlan, chosen: IndexOverrides) -> IndexPlan:
    """Raise the number of shards until a task fits, where it is ours to choose; refuse what cannot fit."""
    budget = chosen.task_mib << 20
    wanted = plan.num_shards
    plan = _with_shards(plan, wanted)
    while plan.task_bytes > budget and plan.num_shards < plan.nlist:
        plan = _with_shards(plan, min(plan.nlist, 2 * plan.num_shards))
    problems = []
    if plan.task_bytes > budget:
        problems.append(
            f"a building task takes {_mib(plan.task_bytes)} MiB even with {plan.num_shards} shards, index.task_mib allows "
            f"{chosen.task_mib}: allow that much, or ask for fewer lists than index.nlist={plan.nlist}"
        )
    elif chosen.num_shards is not None and plan.num_shards != wanted:
        needed = _mib(_with_shards(plan, wanted).task_bytes)
        problems.append(
            f"with index.num_shards={wanted} a building task takes {needed} MiB, index.task_mib allows {chosen.task_mib}: "
            f"allow that much, or ask for {plan.num_shards} shards"
        )
    if chosen.serve_mib is not None and plan.total_bytes > chosen.serve_mib << 20:
        problems.append(
            f"codes of {plan.pq_m} bytes make {_mib(plan.total_bytes)} MiB, index.serve_mib allows {chosen.serve_mib}: "
            "allow that much, index a narrower width, or ask for a smaller index.pq_m"
        )
    if problems:
        raise ConfigError("; ".join(problems))
    return plan


def _with_shards(plan: IndexPlan, num_shards: int) -> IndexPlan:
    cells = min(plan.nlist, num_shards * _CELLS_PER_SHARD)
    return IndexPlan(**(asdict(plan) | {"num_shards": num_shards, "num_cells": cells}))


def _mib(count: int) -> str:
    return f"{-(-count // (1 << 20)):,}"


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
    return max(1, min(wanted, rows // _MIN_ROWS_PER_LIST, _MOST_LISTS))


def _default_pq_m(rows: int, width: int, nlist: int, chosen: IndexOverrides) -> int:
    """Return the divisor of `width` nearest, by ratio, to the code bytes that the recall asks for, within the budget."""
    target = min(_MAX_PQ_M, max(1, width // _width_per_code_byte(chosen.recall)))
    divisors = [part for part in range(1, min(width, 2 * _MAX_PQ_M) + 1) if width % part == 0]
    if chosen.serve_mib is not None:
        fixed = rows * (_ID_BYTES + _KEY_BYTES) + nlist * width * 8
        affordable = ((chosen.serve_mib << 20) - fixed) // rows
        divisors = [part for part in divisors if part <= affordable] or divisors[:1]
    return min(divisors, key=lambda part: abs(math.log(part / target)))


def _width_per_code_byte(recall: float) -> int:
    """Return how many dimensions share a byte: measured on sentence and image vectors, see docs/index.md."""
    return 2 if recall > 0.9 else 4 if recall > 0.6 else 8


def _default_num_shards(rows: int, pq_m: int, nlist: int) -> int:
    wanted = max(math.ceil(rows / _SHARD_ROWS), math.ceil(rows * (pq_m + _ID_BYTES) / _SHARD_BYTES))
    return min(wanted, nlist)
