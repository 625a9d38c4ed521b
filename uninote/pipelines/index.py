"""The index stage: for each width a base built once, a segment a night, and a new base when it pays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pyspark.sql import DataFrame

from uninote.config import fingerprint
from uninote.errors import UninoteError
from uninote.index.folder import IndexFolder
from uninote.index.manifest import Manifest, ManifestError, Segment, read_manifest
from uninote.index.plan import IndexPlan, plan_index
from uninote.index.search import Index, write_gone
from uninote.index.template import Template, load_template
from uninote.lake import index_name
from uninote.pipelines.changed_items import ChangedItems, find_changed
from uninote.pipelines.index_build import Build, Carried, with_attributes
from uninote.pipelines.index_changes import ENOUGH_ROWS, Gone, drift
from uninote.pipelines.index_plan import overrides_of
from uninote.pipelines.index_recall import calibrate
from uninote.pipelines.media_roots import s3_options
from uninote.pipelines.progress import say
from uninote.pipelines.recall import AT_K
from uninote.pipelines.run import Outcome, Run, last_entry, record
from uninote.pipelines.snapshot import Snapshot, newest_snapshot
from uninote.pipelines.stored_vectors import StoredVectors

STAGE = "index"
_GROWN = 2  # a plan that asks for so many times more or fewer lists asks for a new template
_LAYOUT = ("nlist", "pq_m", "opq", "num_shards", "recall_target", "serve_mib", "task_mib", "seed")


def unit_of(width: int) -> str:
    """Return the ledger's unit for the index of one width."""
    return f"w{width}"


def index_folder(run: Run, width: int) -> IndexFolder:
    """Return where the index of `width` lies."""
    chosen = run.config.index.folder
    name = f"{run.model.generation}/{index_name(width)}"
    uri = run.generation.uri(index_name(width)) if chosen is None else f"{chosen.rstrip('/')}/{name}"
    return IndexFolder(uri, s3_options(run.config))


def index(run: Run) -> dict[str, Any]:
    """Bring the index of every configured width up to the newest embeddings."""
    snapshot = newest_snapshot(run)
    widths = run.config.index.widths or snapshot.widths
    built = {width: _Width(run, snapshot, width).refresh() for width in widths}
    return {
        "tables": {index_name(width): index_folder(run, width).uri for width in built},
        "state": "done" if any(one["state"] == "done" for one in built.values()) else "unchanged",
        "indexes": {unit_of(width): one for width, one in built.items()},
    }


@dataclass(frozen=True)
class _Width:
    """One run's work on the index of one width."""

    run: Run
    snapshot: Snapshot
    width: int

    @cached_property
    def folder(self) -> IndexFolder:
        return index_folder(self.run, self.width)

    @cached_property
    def versions(self) -> dict[str, int]:
        return {name: self.snapshot.versions[name] for name in ("items", self.snapshot.vectors_name(self.width))}

    @cached_property
    def vectors(self) -> DataFrame:
        kinds = self.run.config.index.kinds
        return self.snapshot.vectors(self.width, kinds).select("item_key", "note_id", "kind", "vector")

    @cached_property
    def rows(self) -> int:
        return self.vectors.select("item_key").count()

    @cached_property
    def settings(self) -> str:
        layout = self.run.config.index.model_dump(include=set(_LAYOUT) | {"kinds"})
        return fingerprint(layout, self.run.model.generation, self.width)

    def refresh(self) -> dict[str, Any]:
        """Do the least that makes the index complete."""
        started, before = time.time(), self._published()
        if before is None or before.fingerprint != self.settings or self.run.config.index.retrain == "now":
            return self._rebuild(started, before, None, {})
        if before.segments[-1].versions == self.versions:
            return self._unchanged(before)
        since = before.segments[-1].versions["items"]
        changes = find_changed(self.run, before.kinds, since, self.versions["items"])
        if changes is None:
            say(f"index w{self.width}: the items' change feed does not reach back to the last build")
            return self._rebuild(started, before, before.template, {})
        try:
            return self._follow(started, before, changes)
        finally:
            changes.keys.unpersist()

    def _published(self) -> Manifest | None:
        try:
            return read_manifest(self.folder)
        except ManifestError:
            return None

    def _unchanged(self, before: Manifest) -> dict[str, Any]:
        if self.run.config.index.nprobe not in (None, before.nprobe):
            before = replace(before, nprobe=self.run.config.index.nprobe)
            before.publish(self.folder)
        entry = last_entry(self.run, STAGE, unit_of(self.width))
        if entry is None or entry["fingerprint"] != before.segments[-1].segment_id:  # killed before it told the ledger
            return self._publish(time.time(), before, before, {})
        return {"state": "unchanged", **_counts(before), **entry["metrics"]}

    def _follow(self, started: float, before: Manifest, changes: ChangedItems) -> dict[str, Any]:
        """Make the segment of all that changed since the base was built, or build a new base where that pays."""
        fresh = self.vectors.join(changes.keys.select("item_key"), "item_key", "left_semi").persist()
        # Its own count, not the feed's: the vectors are what is added.
        added = fresh.select("item_key").count() if changes.count else 0
        template = load_template(self.folder, before.template)
        metrics = drift(template, fresh, added, before.live, 0) if added else {}
        due = self._due(before, metrics if added >= ENOUGH_ROWS else {})
        if due and self.run.config.index.retrain == "auto":
            return self._rebuild(started, before, None, metrics)
        gone = Gone.of(self.folder, before, changes)
        rows = before.since.rows - len(gone.since) + added
        live = before.base.rows - len(gone.base) + rows
        if (rows + len(gone.base)) / before.base.rows > self.run.config.index.compact_share or live != self.rows:
            return self._rebuild(started, before, before.template, metrics)
        mark = fingerprint(before.segments[-1].segment_id, self.versions)
        say(f"index w{self.width}: {added:,} rows come, {changes.gone:,} go; {rows:,} rows in segment {mark}")
        shards = -(-rows * before.plan.num_shards // before.base.rows)
        build, trained = Build(self.run, self.folder, mark), (before.template, template)
        carried = Carried(before.since.shards, gone.since)
        built = build.segment(with_attributes(self.run, fresh), rows, trained, shards, carried) if rows else ()
        file = self.folder.put(f"gone-{mark}.parquet", lambda path: write_gone(gone.base, path))
        segment = Segment(mark, rows, built, len(gone.base), file, self.versions)
        after = replace(before, segments=(before.base, segment), live=live, created_at=_now())
        fresh.unpersist()
        return self._publish(started, before, after, metrics, {"came": added, "went": changes.gone})

    def _rebuild(
        self, started: float, before: Manifest | None, template: str | None, metrics: Mapping[str, float]
    ) -> dict[str, Any]:
        """Build a new base; `template` names the one to keep, where the plan has not outgrown it."""
        if self.rows == 0:
            raise UninoteError(
                f"{self.snapshot.vectors_name(self.width)} holds no vectors, so there is nothing to index; see quarantine"
            )
        plan = plan_index(self.rows, self.width, overrides_of(self.run.config))
        say(f"index w{self.width}: {_told(plan)}")
        build = Build(
            self.run, self.folder, fingerprint(self.settings, self.versions, template, self.run.config.index.retrain)
        )
        if template is not None and _fits(load_template(self.folder, template), plan):
            trained = template, load_template(self.folder, template)
        else:
            trained = build.template(self.vectors, plan)
        shards = build.segment(with_attributes(self.run, self.vectors), self.rows, trained, plan.num_shards)
        base = Segment(build.mark, self.rows, shards, 0, None, self.versions)
        kinds, asked = tuple(self.run.config.index.kinds), self.run.config.index.nprobe
        generation = self.run.model.generation
        after = Manifest(
            generation, self.width, kinds, self.settings, plan, trained[0], asked or 1, self.rows, (base,), _now()
        )
        index = Index(self.folder, after, trained[1])
        nprobe, recall = calibrate(
            self.run, StoredVectors(self.run, self.snapshot, self.width, kinds), self.rows, index, asked
        )
        after = replace(after, nprobe=nprobe)
        return self._publish(started, before, after, {**metrics, AT_K: recall})

    def _publish(
        self,
        started: float,
        before: Manifest | None,
        after: Manifest,
        metrics: Mapping[str, float],
        came_and_went: Mapping[str, int] = MappingProxyType({}),
    ) -> dict[str, Any]:
        after.publish(self.folder)
        _remove_stale(self.folder, [after] if before is None else [after, before])
        counts = {**_counts(after), **came_and_went}
        outcome = Outcome("done", counts, self.versions, metrics=metrics, fingerprint=after.segments[-1].segment_id)
        record(self.run, STAGE, unit_of(self.width), outcome, started)
        return {"state": "done", **counts, **metrics}

    def _due(self, before: Manifest, metrics: Mapping[str, float]) -> bool:
        """Say, and return, whether the data have drifted from the template."""
        settings = self.run.config.index
        worst = max(metrics.values(), default=0.0)
        if worst <= settings.max_drift:
            return False
        told = ", ".join(f"{name} {value:.2f}" for name, value in metrics.items())
        remedy = "training a new one" if settings.retrain == "auto" else "run with --set index.retrain=now"
        say(
            f"index w{self.width}: the template {before.template} no longer fits ({told}; index.max_drift is "
            f"{settings.max_drift}): {remedy}"
        )
        return True


def _fits(template: Template, plan: IndexPlan) -> bool:
    grown = max(plan.nlist, template.nlist) / min(plan.nlist, template.nlist)
    return grown < _GROWN and template.num_cells >= plan.num_shards


def _told(plan: IndexPlan) -> str:
    return (
        f"{plan.rows:,} rows, {plan.nlist:,} lists, {'OPQ, ' if plan.opq else ''}{plan.pq_m} x {plan.pq_nbits} bit codes, "
        f"{plan.num_shards} shard(s) of about {plan.bytes_per_shard / 2**20:,.1f} MiB; at most "
        f"{plan.task_bytes / 2**20:,.0f} MiB a task; about {plan.cpu_seconds / 3600:,.2f} CPU-hours"
    )


def _remove_stale(folder: IndexFolder, kept: list[Manifest]) -> None:
    """Delete files of builds before the last one, whose readers may still be at work."""
    names = {file.name for manifest in kept for file in manifest.files}
    names |= {f"template-{manifest.template}.{suffix}" for manifest in kept for suffix in ("faiss", "npz")}
    for name in folder.sizes():
        if name.startswith(("shard-", "template-", "gone-", "trained-")) and name not in names:
            folder.remove(name)


def _counts(manifest: Manifest) -> dict[str, int]:
    plan = manifest.plan
    return {
        "rows": manifest.live,
        "nlist": plan.nlist,
        "num_cells": plan.num_cells,
        "num_shards": plan.num_shards,
        "pq_m": plan.pq_m,
        "bytes": sum(file.bytes for file in manifest.files),
        "nprobe": manifest.nprobe,
        "rows_since_base": manifest.since.rows,
        "gone_since_base": manifest.since.gone_rows,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
