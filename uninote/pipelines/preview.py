"""What a refresh would do, on how much, and about how long by the ledger: nothing is written, no model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uninote.config.sections.base import DEMO
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.takedowns.watch import taken_down
from uninote.notes.ingest.sources import find_source
from uninote.pipelines.codes.stage import is_wanted as are_codes_wanted
from uninote.pipelines.embed.preview import preview as preview_embed
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run, all_entries
from uninote.pipelines.matching.stage import is_wanted
from uninote.pipelines.notes.source.identity import counts_if_unchanged, demo_folder, state_of
from uninote.pipelines.runtime.progress import say

# What follows where vectors change.
_WANTED = {"codes": are_codes_wanted, "match": is_wanted}
_AFTER = ("index", "codes", "neighbours", "match", "release", "publish", "report", "retention")


def preview(run: Run) -> dict[str, Any]:
    """Return by stage whether it would do anything, on how many notes, and the seconds its last run took; null: not known.

    Embed is asked about the notes as they stand: what a source has that was not ingested yet is not counted. In a lake without
    notes all stages would run, on what the source has.
    """
    pointer = read_pointer(run.lake.root)
    last = _last_seconds(run)
    has_notes = tables.has_table(run.lake.uri("notes"))
    reads_source = not has_notes or _source_changed(run)
    ingest = _stage("reads the source" if reads_source else "unchanged", last.get("ingest"))
    stages: dict[str, dict[str, Any]] = {"ingest": ingest}
    changed = None
    if has_notes:
        found = preview_embed(run)
        changed = found["computed"] + found["deleted"] + found["reasons"]["attributes"]
        stages["embed"] = {
            "would": "computes" if changed else "unchanged",
            "items": changed,
            "seconds": found["seconds"],
        }
    else:
        stages["embed"] = _stage("computes", None)
    is_settled = changed == 0 and not reads_source and pointer.work_from is None
    names = [name for name in _AFTER if name not in _WANTED or _WANTED[name](run)]
    for name in names:
        stages[name] = _stage("unchanged" if is_settled else "runs", last.get(name))
    stages["erasure"] = _stage("runs" if taken_down(run.lake.root).names else "unchanged", last.get("erasure"))
    known = [one["seconds"] for one in stages.values() if one["would"] != "unchanged"]
    seconds = None if None in known else round(sum(known), 1)
    for name, one in stages.items():
        say(f"{name}: {one['would']}" + _time_of(one))
    if pointer.work_from is not None:
        say(f"refresh: tables would first be brought back to release {pointer.work_from}")
    return {"dry_run": True, "live": pointer.live, "work_from": pointer.work_from, "stages": stages, "seconds": seconds}


def _time_of(stage: Mapping[str, Any]) -> str:
    if stage["would"] == "unchanged":
        return ""
    seconds = stage["seconds"]
    return "; for how long is not known" if seconds is None else f", about {seconds:,.1f} s"


def _stage(would: str, seconds: float | None) -> dict[str, Any]:
    return {"would": would, "seconds": None if seconds is None else round(seconds, 1)}


def _last_seconds(run: Run) -> Mapping[str, float]:
    """Return how long each stage took in the last run in which it did something, all its units together."""
    found: dict[str, float] = {}
    run_ids: dict[str, str] = {}
    for entry in all_entries(run):
        stage = entry["stage"]
        if entry["state"] != "done":
            continue
        if run_ids.get(stage) != entry["run_id"]:
            found[stage] = 0.0
        run_ids[stage] = entry["run_id"]
        found[stage] += entry["seconds"]
    return found


def _source_changed(run: Run) -> bool:
    location = run.ingest.source
    if not location:
        return False
    source = find_source(str(demo_folder(run)) if location == DEMO else location)
    return counts_if_unchanged(run, state_of(run, source)) is None
