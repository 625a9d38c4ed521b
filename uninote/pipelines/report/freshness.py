"""Whether the report that stands shows all there is to show: a night in which nothing changed need not make it anew."""

from __future__ import annotations

from collections.abc import Mapping

from uninote import __version__
from uninote.digests import digest
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.embed.steps.accounting import CUT_COUNTS
from uninote.pipelines.lake import ledger as ledger_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.run import Run
from uninote.pipelines.report.further_sets import further_tables
from uninote.pipelines.report.stages import REPORT, Entries, has_unfinished_embed
from uninote.pipelines.training.scores import evaluation_of
from uninote.storage import lake_files

BYTES = "bytes"
MAP_BYTES = "map_bytes"
_TABLES = ("neighbours", "duplicates", "codes")
# An ingest and an embed write an entry each night, whatever they find: what they left tells whether anything changed. What
# retention removes after a report, the next one shows.
_LEFT_OUT = ("ingest", "embed", "retention", REPORT)
# What an embed counts of the whole lake, not of its own work.
_STANDING = ("notes_in", "quarantined", "degraded", "unreachable", "postponed", *CUT_COUNTS)


def state_shown(run: Run, snapshot: Snapshot, entries: Entries) -> str:
    """Return a digest of all that a report shows, but for when each run looked and how long it took."""
    versions = dict(snapshot.versions)
    for name in _TABLES:
        versions[name] = tables.version_or_absent(run.generation.uri(name))
    for name in ("notes", "quarantine", "judgments"):
        versions[name] = tables.version_or_absent(run.lake.uri(name))
    made = []
    for (stage, unit), entry in entries.items():
        if stage not in _LEFT_OUT:
            made.append((stage, unit, entry["sequence"]))
    embedded = entries["embed", "all"]
    standing = {name: embedded["counts"].get(name) for name in _STANDING}
    settings = (__version__, run.config.content_hash(), run.lake.root, run.model.generation)
    taken = taken_down(run.lake.root)
    hidden = (sorted(taken.names), sorted(taken.erased))
    others = (dict(embedded["inputs"]), has_unfinished_embed(run), repr(evaluation_of(run)), repr(further_tables(run)))
    return digest(settings, versions, sorted(made), standing, hidden, others)


def stands(run: Run, paths: Mapping[str, str], state: str) -> bool:
    """Say whether the pages at `paths`, by the names of their counts, are those of that state: the newest that any run wrote.

    A page that the newest run did not write need not be there.
    """
    last = ledger_table.last_of(run.lake, REPORT, "all")
    if last is None or last["fingerprint"] != state:
        return False
    try:
        return all(
            lake_files.size_of(path) == last["counts"][name] for name, path in paths.items() if name in last["counts"]
        )
    except OSError:
        return False
