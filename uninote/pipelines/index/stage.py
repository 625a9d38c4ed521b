"""The index stage: for each width a base built once, a segment a night, and a new base when it pays."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from uninote.config.digests import digest
from uninote.errors import UninoteError
from uninote.index.checks import find_damage
from uninote.index.files import IndexDamagedError
from uninote.index.folder import IndexFolder
from uninote.index.manifest import Manifest, ManifestError, Segment, read_manifest
from uninote.index.note_keys import NoteKeys
from uninote.index.plan import plan_index
from uninote.index.search import Index, write_gone
from uninote.index.template import Template, load_template, template_files
from uninote.lake.paths import index_name
from uninote.pipelines.index.build import Build, Carried, with_attributes
from uninote.pipelines.index.changes import ENOUGH_ROWS, Gone, drift
from uninote.pipelines.index.messages import counts_of, fits, now, remove_unused, told
from uninote.pipelines.index.owner import owned
from uninote.pipelines.index.plan import overrides_of
from uninote.pipelines.index.recall import calibrate
from uninote.pipelines.lake.changed_items import ChangedItems, find_changed
from uninote.pipelines.lake.damage import index_damage
from uninote.pipelines.lake.run import Outcome, Run, last_entry, newest_entries, record
from uninote.pipelines.lake.snapshot import Snapshot, newest_snapshot
from uninote.pipelines.lake.stale import tell_stale
from uninote.pipelines.lake.stored_vectors import StoredVectors
from uninote.pipelines.neighbours.recall import AT_K
from uninote.pipelines.notes.media_roots import s3_options
from uninote.pipelines.runtime.progress import say

STAGE = "index"
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
    _mark_stale(run, widths)
    return {
        "tables": {index_name(width): index_folder(run, width).uri for width in built},
        "state": "done" if any(one["state"] == "done" for one in built.values()) else "unchanged",
        "indexes": {unit_of(width): one for width, one in built.items()},
    }


def _mark_stale(run: Run, widths: Sequence[int]) -> None:
    """Mark the indexes of widths that were indexed once."""
    units = {unit for stage, unit in newest_entries(run) if stage == STAGE} - set(map(unit_of, widths))
    for unit in sorted(units):
        folder = index_folder(run, int(unit.removeprefix("w")))
        with suppress(ManifestError):
            manifest = read_manifest(folder)
            if not manifest.stale and manifest.lake_id in (None, run.lake_id):
                why = f"since run {run.run_id} nothing asks for its width"
                replace(manifest, stale=why).publish(folder)
                tell_stale(run, STAGE, unit, f"the index {unit} is kept as it is and marked stale: {why}")


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
        return digest(layout, self.run.model.generation, self.width)

    @property
    def calibration(self) -> str:
        """The fingerprint of the settings that the number of searched lists is measured with."""
        settings = self.run.config.neighbours
        return digest(settings.k, settings.recall_sample, settings.seed)

    def refresh(self) -> dict[str, Any]:
        """Do the least that makes the index complete."""
        started, before = time.time(), self._published()
        if before is None or before.fingerprint != self.settings or self.run.config.index.retrain == "now":
            return self._rebuild(started, before, None, {})
        try:
            return self._go_on(started, before)
        except Exception as error:
            if (damage := index_damage(error)) is None:
                raise
            say(f"index w{self.width}: {damage}; building it again")
            return self._rebuild(started, before, before.template, {})

    def _go_on(self, started: float, before: Manifest) -> dict[str, Any]:
        """Do the same for an index of these settings. Raises IndexDamagedError where files are not as they were."""
        damage = find_damage(self.folder, before, self.run.as_of)
        if damage:
            raise IndexDamagedError(f"{damage[0]} ({len(damage)} file(s) in all)")
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
        """Return the manifest of this lake's index; None where there is none. Raises UninoteError at another lake's."""
        try:
            return owned(self.run, self.folder, read_manifest(self.folder))
        except ManifestError as error:
            say(f"index w{self.width}: {error}")
            return None

    def _unchanged(self, before: Manifest) -> dict[str, Any]:
        entry = last_entry(self.run, STAGE, unit_of(self.width))
        known = entry is not None and entry["fingerprint"] == before.segments[-1].segment_id
        if self._is_tuned(before) and known and entry is not None:
            return {"state": "unchanged", **counts_of(before), **entry["metrics"]}
        # Killed before it told the ledger, or searched with other settings from now on.
        return self._publish(time.time(), before, *self._tuned(before, load_template(self.folder, before.template)))

    def _is_tuned(self, manifest: Manifest) -> bool:
        """Say whether searches look into as many lists as the configuration asks for, or as were measured for it."""
        wanted = self.calibration, self.run.config.index.nprobe, ""
        return (manifest.calibration, manifest.nprobe_asked, manifest.stale) == wanted  # of before ids: no calibration

    def _tuned(self, manifest: Manifest, template: Template) -> tuple[Manifest, dict[str, float]]:
        """Return the manifest with as many searched lists as are needed, measured, and the recall, for the ledger."""
        asked, kinds = self.run.config.index.nprobe, manifest.kinds
        index = Index(self.folder, manifest, template)
        vectors = StoredVectors(self.run, self.snapshot, self.width, kinds)
        nprobe, recall = calibrate(self.run, vectors, manifest.live, index, asked)
        tuned = replace(manifest, nprobe=nprobe, nprobe_asked=asked, calibration=self.calibration, stale="")
        return replace(tuned, template_files=template_files(self.folder, manifest.template)), {AT_K: recall}

    def _old_template(self, name: str) -> Template | None:
        """Return a template that was trained before; None where it is damaged."""
        try:
            return load_template(self.folder, name)
        except IndexDamagedError as error:
            say(f"index w{self.width}: {error}; training a new one")
            return None

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
        mark = digest(before.segments[-1].segment_id, self.versions)
        say(f"index w{self.width}: {added:,} rows come, {changes.gone:,} go; {rows:,} rows in segment {mark}")
        shards = -(-rows * before.plan.num_shards // before.base.rows)
        build, trained = Build(self.run, self.folder, mark), (before.template, template)
        carried = Carried(before.since.shards, gone.since)
        built = build.segment(with_attributes(self.run, fresh), rows, trained, shards, carried) if rows else ()
        file = self.folder.put(f"gone-{mark}.parquet", lambda path: write_gone(gone.base, path))
        segment = Segment(mark, rows, built, len(gone.base), file, self.versions)
        after = replace(before, segments=(before.base, segment), live=live, created_at=now())
        fresh.unpersist()
        if not self._is_tuned(after):
            after, tuned = self._tuned(after, template)
            metrics |= tuned
        return self._publish(started, before, after, metrics, {"came": added, "went": changes.gone})

    def _rebuild(
        self, started: float, before: Manifest | None, template: str | None, metrics: Mapping[str, float]
    ) -> dict[str, Any]:
        """Build a new base; `template` names the one to keep, where the plan has not outgrown it."""
        if self.rows == 0:
            return self._emptied(started, before)
        plan = plan_index(self.rows, self.width, overrides_of(self.run.config))
        say(f"index w{self.width}: {told(plan)}")
        build = Build(
            self.run, self.folder, digest(self.settings, self.versions, template, self.run.config.index.retrain)
        )
        old = None if template is None else self._old_template(template)
        if template is not None and old is not None and fits(old, plan):
            trained = template, old
        else:
            trained = build.template(self.vectors, plan)
        shards = build.segment(with_attributes(self.run, self.vectors), self.rows, trained, plan.num_shards)
        base = Segment(build.mark, self.rows, shards, 0, None, self.versions)
        after = Manifest(
            generation=self.run.model.generation,
            width=self.width,
            kinds=tuple(self.run.config.index.kinds),
            fingerprint=self.settings,
            plan=plan,
            template=trained[0],
            nprobe=1,
            live=self.rows,
            segments=(base,),
            created_at=now(),
            lake_id=self.run.lake_id,
        )
        after, tuned = self._tuned(after, trained[1])
        return self._publish(started, before, after, {**metrics, **tuned})

    def _emptied(self, started: float, before: Manifest | None) -> dict[str, Any]:
        """Void all that an index holds. Raises UninoteError where there is none, since an empty one cannot be trained."""
        if before is None:
            raise UninoteError(
                f"{self.snapshot.vectors_name(self.width)} holds no vectors, so there is nothing to index; see quarantine"
            )
        mark = digest(before.segments[-1].segment_id, self.versions)
        held = [NoteKeys(self.folder.checked(shard.keys)).keys for shard in before.base.shards]
        gone = np.unique(np.concatenate(held))
        file = self.folder.put(f"gone-{mark}.parquet", lambda path: write_gone(gone, path))
        segment = Segment(mark, 0, (), len(gone), file, self.versions)
        say(f"index w{self.width}: no vectors are left; its {len(gone):,} rows are voided")
        after = replace(before, segments=(before.base, segment), live=0, created_at=now(), stale="")
        return self._publish(started, before, after, {})

    def _publish(
        self,
        started: float,
        before: Manifest | None,
        after: Manifest,
        metrics: Mapping[str, float],
        came_and_went: Mapping[str, int] = MappingProxyType({}),
    ) -> dict[str, Any]:
        after.publish(self.folder)
        remove_unused(self.folder, [after] if before is None else [after, before])
        counts = {**counts_of(after), **came_and_went}
        outcome = Outcome("done", counts, self.versions, metrics=metrics, fingerprint=after.segments[-1].segment_id)
        record(self.run, STAGE, unit_of(self.width), outcome, started)
        return {"state": "done", **counts, **metrics}

    def _due(self, before: Manifest, metrics: Mapping[str, float]) -> bool:
        """Say, and return, whether the data have drifted from the template."""
        settings = self.run.config.index
        worst = max(metrics.values(), default=0.0)
        if worst <= settings.max_drift:
            return False
        drifted = ", ".join(f"{name} {value:.2f}" for name, value in metrics.items())
        remedy = "training a new one" if settings.retrain == "auto" else "run with --set index.retrain=now"
        say(
            f"index w{self.width}: the template {before.template} no longer fits ({drifted}; index.max_drift is "
            f"{settings.max_drift}): {remedy}"
        )
        return True
