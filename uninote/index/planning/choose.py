"""Choosing the layout of an index of so many vectors, within the budgets that are set; arithmetic only, no data."""

from __future__ import annotations

import math
from dataclasses import replace

from uninote.config.sections.index import IndexConfig
from uninote.errors import ConfigError
from uninote.index.planning.plan import FAST_SCAN_NBITS, MIN_TRAIN_ROWS, IndexOverrides, IndexPlan

# Past this k-means in one process takes hours, and assignment to lists is most of a build.
FLAT_LISTS = 16_384
RECALL = 0.95  # asked for unless the user says otherwise
# Past this the bytes of codes alone double.
RECALL_OF_CODES = 0.9
_PQ_NBITS = 8
_LISTS_PER_SQRT_ROW = 4
# Fewer training rows than this give FAISS poor centroids.
_MIN_ROWS_PER_LIST = 39
_MOST_LISTS = 1 << 20
_TRAIN_ROWS_PER_LIST = 50
_MAX_CODE_BYTES = 256
_SHARD_ROWS = 1_000_000
_SHARD_BYTES = 256 << 20
_CELLS_PER_SHARD = 4


def overrides_of(index: IndexConfig) -> IndexOverrides:
    """Return what a configuration fixes of a plan."""
    return IndexOverrides(
        nlist=index.nlist,
        pq_m=index.pq_m,
        num_shards=index.num_shards,
        opq=index.opq,
        recall=index.recall_target,
        serve_mib=index.serve_mib,
        task_mib=index.task_mib,
        rerank=index.rerank,
    )


def plan_index(rows: int, width: int, overrides: IndexOverrides | None = None) -> IndexPlan:
    """Plan an index of `rows` >= 1 vectors. Raises ConfigError, listing everything that cannot be met.

    Vectors lie beside the codes, to rank again by, unless that is turned off or a budget has no room for them.
    """
    chosen = overrides or IndexOverrides()
    _check(rows, width, chosen)
    # Vectors beside the codes are left out where a budget has no room for them; only codes that do not fit are refused.
    if chosen.rerank:
        plan, problems = _fitted(_planned(rows, width, chosen), chosen)
        if not problems:
            return plan
    plan, problems = _fitted(_planned(rows, width, replace(chosen, rerank=False)), chosen)
    if problems:
        raise ConfigError("; ".join(problems))
    return plan


def recall_wanted(recall: float | None, rerank: bool) -> float:
    """Return the recall that an index is built and searched for: `recall`, or what suits its codes where that is null."""
    if recall is not None:
        return recall
    return RECALL if rerank else RECALL_OF_CODES


def _planned(rows: int, width: int, chosen: IndexOverrides) -> IndexPlan:
    """Return the plan before its shards are fitted to the budgets."""
    nlist = chosen.nlist or _default_nlist(rows)
    parts, nbits = _code(rows, width, nlist, chosen)
    num_shards = chosen.num_shards or _default_num_shards(rows, -(-parts * nbits // 8), nlist)
    if num_shards > nlist:
        raise ConfigError(f"index.num_shards is {num_shards}, with {nlist} lists to share out; ask for at most {nlist}")
    return IndexPlan(
        rows=rows,
        width=width,
        nlist=nlist,
        num_cells=min(nlist, num_shards * _CELLS_PER_SHARD),
        num_shards=num_shards,
        pq_m=parts,
        pq_nbits=nbits,
        train_rows=min(rows, max(MIN_TRAIN_ROWS, _TRAIN_ROWS_PER_LIST * nlist)),
        opq=chosen.opq,
        groups=round(math.sqrt(nlist)) if nlist > FLAT_LISTS else 0,
        rerank=chosen.rerank,
    )


def _fitted(plan: IndexPlan, chosen: IndexOverrides) -> tuple[IndexPlan, list[str]]:
    """Raise the number of shards until a task fits, where it is ours to choose; return what cannot fit, in sentences."""
    budget = chosen.task_mib << 20
    wanted = plan
    # More shards make each task smaller, until a shard has a single list.
    while plan.task_bytes > budget and plan.num_shards < plan.nlist:
        plan = _with_shards(plan, min(plan.nlist, 2 * plan.num_shards))
    problems = []
    if plan.task_bytes > budget:
        problems.append(
            f"a building task takes {_mib(plan.task_bytes)} MiB even with {plan.num_shards} shards, index.task_mib allows "
            f"{chosen.task_mib}: allow that much, or ask for fewer lists than index.nlist={plan.nlist}"
        )
    elif chosen.num_shards is not None and plan.num_shards != wanted.num_shards:
        problems.append(
            f"with index.num_shards={wanted.num_shards} a building task takes {_mib(wanted.task_bytes)} MiB, "
            f"index.task_mib allows {chosen.task_mib}: allow that much, or ask for {plan.num_shards} shards"
        )
    if chosen.serve_mib is not None and plan.serve_bytes > chosen.serve_mib << 20:
        problems.append(
            f"codes of {plan.code_bytes} bytes make {_mib(plan.serve_bytes)} MiB, index.serve_mib allows "
            f"{chosen.serve_mib}: allow that much, index a narrower width, or ask for a smaller index.pq_m"
        )
    return plan, problems


def _with_shards(plan: IndexPlan, num_shards: int) -> IndexPlan:
    return replace(plan, num_shards=num_shards, num_cells=min(plan.nlist, num_shards * _CELLS_PER_SHARD))


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


def _code(rows: int, width: int, nlist: int, chosen: IndexOverrides) -> tuple[int, int]:
    """Return (parts, bits of each): of 4 bits where searches rank again, of 8 where the codes alone decide.

    The same bytes hold twice as many parts of 4 bits as of 8; `pq_m` bytes that so many parts cannot be cut into are
    parts of 8.
    """
    if chosen.pq_m is not None:
        halves = chosen.rerank and width % (2 * chosen.pq_m) == 0
        return (2 * chosen.pq_m, FAST_SCAN_NBITS) if halves else (chosen.pq_m, _PQ_NBITS)
    target = min(_MAX_CODE_BYTES, max(1, width // _width_per_code_byte(chosen)))
    if chosen.rerank:
        return _nearest(_divisors(width), 2 * target), FAST_SCAN_NBITS
    divisors = _divisors(width)
    if chosen.serve_mib is not None:
        # What any plan of codes alone takes beside its codes; see IndexPlan.total_bytes.
        without_codes = IndexPlan(rows, width, nlist, 1, 1, 0, _PQ_NBITS, 0).total_bytes
        affordable = ((chosen.serve_mib << 20) - without_codes) // rows
        within = [part for part in divisors if part <= affordable]
        # Where the budget has no room for any, the smallest codes there are.
        divisors = within or divisors[:1]
    return _nearest(divisors, target), _PQ_NBITS


def _divisors(width: int) -> list[int]:
    return [part for part in range(1, min(width, 2 * _MAX_CODE_BYTES) + 1) if width % part == 0]


def _nearest(divisors: list[int], target: int) -> int:
    """Return the divisor nearest, by ratio, to the target."""
    return min(divisors, key=lambda part: abs(math.log(part / target)))


def _width_per_code_byte(chosen: IndexOverrides) -> int:
    """Return how many dimensions share a byte: measured on sentence and image vectors, see docs/index.md."""
    recall = recall_wanted(chosen.recall, chosen.rerank)
    # Ranking again makes up for coarser codes: the best 10 are among the 100 that the codes find.
    finest = 0.98 if chosen.rerank else RECALL_OF_CODES
    return 2 if recall > finest else 4 if recall > 0.6 else 8


def _default_num_shards(rows: int, code_bytes: int, nlist: int) -> int:
    wanted = max(math.ceil(rows / _SHARD_ROWS), math.ceil(rows * (code_bytes + 8) / _SHARD_BYTES))
    return min(wanted, nlist)
