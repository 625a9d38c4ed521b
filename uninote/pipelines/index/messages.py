"""What is said of an index: its plan, its counts; and which of its files nobody needs any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from uninote.index.folder import IndexFolder
from uninote.index.manifest import Manifest
from uninote.index.plan import IndexPlan
from uninote.index.template import Template

_GROWN = 2  # a plan that asks for so many times more or fewer lists asks for a new template


def fits(template: Template, plan: IndexPlan) -> bool:
    """Say whether a plan can be built with a template that was trained before."""
    grown = max(plan.nlist, template.nlist) / min(plan.nlist, template.nlist)
    return grown < _GROWN and template.num_cells >= plan.num_shards


def describe(plan: IndexPlan) -> str:
    """Return a plan in words."""
    return (
        f"{plan.rows:,} rows, {plan.nlist:,} lists, {'OPQ, ' if plan.opq else ''}{plan.pq_m} x {plan.pq_nbits} bit codes, "
        f"{plan.num_shards} shard(s) of about {plan.bytes_per_shard / 2**20:,.1f} MiB; at most "
        f"{plan.task_bytes / 2**20:,.0f} MiB a task; about {plan.cpu_seconds / 3600:,.2f} CPU-hours"
    )


def remove_unused(folder: IndexFolder, manifests: Sequence[Manifest]) -> None:
    """Delete the files of builds that none of `manifests` names."""
    # Manifests of format 2 do not list the template's files.
    names = {file.name for manifest in manifests for file in manifest.files}
    names |= {f"template-{manifest.template}.{suffix}" for manifest in manifests for suffix in ("faiss", "npz")}
    for name in folder.sizes():
        if name.startswith(("shard-", "template-", "gone-", "trained-")) and name not in names:
            folder.remove(name)


def counts_of(manifest: Manifest) -> dict[str, int]:
    """Return the counts of an index, for the ledger."""
    plan = manifest.plan
    return {
        "rows": manifest.live,
        "nlist": plan.nlist,
        "num_cells": plan.num_cells,
        "num_shards": plan.num_shards,
        "pq_m": plan.pq_m,
        "bytes": sum(file.bytes for file in manifest.files),
        "nprobe": manifest.lists_searched,
        "rows_since_base": manifest.since.rows,
        "gone_since_base": manifest.since.voided_rows,
    }


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
