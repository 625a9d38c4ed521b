"""What is said of an index: its plan, its counts."""

from __future__ import annotations

from datetime import UTC, datetime

from uninote.index.files.records import Manifest
from uninote.index.planning.plan import IndexPlan
from uninote.index.template.template import Template

# A plan that asks for so many times more or fewer lists asks for a new template.
_GROWN = 2


def fits(template: Template, plan: IndexPlan) -> bool:
    """Say whether a plan can be built with a template that was trained before: for like codes, and about as many lists."""
    grown = max(plan.nlist, template.nlist) / min(plan.nlist, template.nlist)
    return grown < _GROWN and template.num_cells >= plan.num_shards and template.index.pq.nbits == plan.pq_nbits


def describe(plan: IndexPlan, rerank: bool) -> str:
    """Return a plan in words; `rerank` is what the configuration asks for."""
    # Codes of 8 bits alone are what is planned where a budget has no room for vectors, see planning.plan_index.
    if plan.rerank:
        again = "ranked again by the vectors beside them"
    elif rerank:
        again = "alone, since index.serve_mib or index.task_mib has no room for the vectors beside them"
    else:
        again = "alone, since index.rerank is false"
    return (
        f"{plan.rows:,} rows, {plan.nlist:,} lists, {'OPQ, ' if plan.opq else ''}{plan.pq_m} x {plan.pq_nbits} bit codes, "
        f"{again}, {plan.row_bytes:,} bytes a row, "
        f"{plan.num_shards} shard(s) of about {plan.bytes_per_shard / 2**20:,.1f} MiB; at most "
        f"{plan.task_bytes / 2**20:,.0f} MiB a task; about {plan.cpu_seconds / 3600:,.2f} CPU-hours"
    )


def counts_of(manifest: Manifest) -> dict[str, int]:
    """Return the counts of an index, for the ledger."""
    plan = manifest.plan
    return {
        "rows": manifest.live,
        "nlist": plan.nlist,
        "num_cells": plan.num_cells,
        "num_shards": plan.num_shards,
        "pq_m": plan.pq_m,
        "pq_nbits": plan.pq_nbits,
        "bytes": manifest.bytes,
        "nprobe": manifest.lists_searched,
        "rows_since_base": manifest.since.rows,
        "gone_since_base": manifest.since.voided_rows,
    }


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
