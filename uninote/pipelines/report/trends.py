"""How runs went, one after another: what the ledger says of the last of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from uninote.evaluation.estimates import AT_K, name_of
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.run import Run, all_entries
from uninote.pipelines.report.stages import when
from uninote.report.figures import Trend

RUNS = 30
_HEALTH = "health_"  # how the names of embed's figures about its vectors begin
_SHARES = {"cut_share": "share of texts cut", "lacking_images_share": "share lacking images"}
_RECALL = name_of(AT_K)
_STAGES = ("ingest", "embed", "index", "neighbours")


def trends(run: Run) -> tuple[Trend, ...]:
    """Return each figure over the last RUNS runs that came to an end in any stage, for the configured model.

    A run that did not measure a figure has none: nothing is carried over from the run before, but the sizes of indexes that
    stood as they were.
    """
    by_run: dict[str, list[Entry]] = {}
    for entry in all_entries(run):
        if entry["stage"] in _STAGES and entry["state"] in ("done", "unchanged"):
            by_run.setdefault(entry["run_id"], []).append(entry)
    values: dict[str, list[tuple[str, float]]] = {}
    sizes: dict[str, int] = {}
    for entries in by_run.values():
        began = when(entries[0]["started_at"])
        for name, value in _figures(entries, sizes):
            values.setdefault(name, []).append((began, value))
    recent = {when(entries[0]["started_at"]) for entries in list(by_run.values())[-RUNS:]}
    found = []
    for name, points in values.items():
        shown = [point for point in points if point[0] in recent]
        if shown:
            found.append(Trend(name, tuple(shown)))
    return tuple(found)


def _figures(entries: list[Entry], sizes: dict[str, int]) -> Iterator[tuple[str, float]]:
    """Yield (name, value) of one run. `sizes` has the bytes of indexes by unit, of runs before, and is brought up to date."""
    built = [entry for entry in entries if entry["stage"] == "index"]
    for entry in built:
        sizes[entry["unit"]] = entry["counts"]["bytes"]
    for entry in entries:
        if entry["stage"] == "embed" and entry["unit"] == "all":
            yield from _of_embed(entry)
        elif entry["stage"] == "neighbours" and _RECALL in entry["metrics"]:
            yield "recall of the lists", entry["metrics"][_RECALL]
    for entry in built:
        if _RECALL in entry["metrics"]:
            yield f"recall of index {entry['unit']}", entry["metrics"][_RECALL]
    if built:
        yield "bytes of indexes", float(sum(sizes.values()))
    yield "seconds of all stages", sum(entry["seconds"] for entry in entries if "chunk" not in entry["unit"])


def _of_embed(entry: Entry) -> Iterator[tuple[str, float]]:
    counts: dict[str, Any] = entry["counts"]
    notes = counts["notes_in"]
    yield "notes", float(notes)
    if counts["embedded"] and entry["seconds"]:
        yield "notes embedded a second", counts["embedded"] / entry["seconds"]
    if notes:
        yield "share quarantined", counts["quarantined"] / notes
    for metric, name in _SHARES.items():
        if metric in entry["metrics"]:
            yield name, entry["metrics"][metric]
    for name, value in sorted({**counts, **entry["metrics"]}.items()):
        if name.startswith(_HEALTH):
            yield name.replace("_", " "), float(value)
