"""A new base: all rows of an index built again, with the template it has or a new one."""

from __future__ import annotations

from uninote.digests import digest
from uninote.index.files.records import Manifest, Segment
from uninote.index.files.stored_file import IndexDamagedError
from uninote.index.planning.choose import overrides_of, plan_index
from uninote.index.template.template import Template, load_template
from uninote.pipelines.index.build import Build, SegmentRows
from uninote.pipelines.index.messages import describe, fits, now
from uninote.pipelines.index.recall import calibrate
from uninote.pipelines.index.rows import all_rows, with_attributes
from uninote.pipelines.index.target import Target
from uninote.pipelines.runtime.progress import say


def make_base(target: Target, template: str | None) -> tuple[Manifest, dict[str, float]]:
    """Build a new base; `template` names the one to keep, where the plan has not outgrown it. Needs at least one row.

    Returns (manifest, metrics for the ledger); nothing is published.
    """
    run = target.run
    rows = target.rows
    wanted = target.wanted
    plan = plan_index(rows, target.width, overrides_of(run.config.index))
    say(f"index w{target.width}: {describe(plan, run.config.index.rerank)}")
    # The codes are part of the name: what an earlier release left half done may be of others.
    build_id = digest(wanted.settings, wanted.versions, template, wanted.retrain, plan.pq_nbits, plan.rerank)
    build = Build(run, target.folder, build_id, plan.rerank)
    old = None if template is None else _old_template(target, template)
    if template is not None and old is not None and fits(old, plan):
        trained = template, old
    else:
        trained = build.template(target.vectors, plan)
    shards = build.segment(SegmentRows(with_attributes(run, all_rows(target)), rows), trained, plan.num_shards)
    manifest = Manifest(
        generation=run.model.generation,
        width=target.width,
        kinds=tuple(run.config.index.kinds),
        fingerprint=wanted.settings,
        plan=plan,
        template=trained[0],
        nprobe=1,
        live=rows,
        segments=(Segment(build.build_id, rows, shards, 0, None, target.versions),),
        created_at=now(),
        lake_id=run.lake_id,
    )
    return calibrate(target, manifest, trained[1])


def _old_template(target: Target, name: str) -> Template | None:
    """Return a template that was trained before; null where it is damaged."""
    try:
        return load_template(target.folder, name)
    except IndexDamagedError as error:
        say(f"index w{target.width}: {error}; training a new one")
        return None
