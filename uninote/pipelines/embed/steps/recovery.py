"""What a run of embed starts from: the tables as the last run left them, or as a killed one did, or as somebody else did.

A killed run is undone by restoring the versions that its last whole chunk left. Where that cannot be done, or where the
ledger does not know the versions that stand, the tables are compared with each other, and only those that agree with the
items are trusted: the longer way, which needs nothing but what stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deltalake.exceptions import DeltaError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.lake.delta_files import largest, operations_since, restore
from uninote.lake.lease import fence
from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import items_table, neighbour_state_table, set_aside_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.run import Run, ledger
from uninote.pipelines.notes.items import ITEM_KEY
from uninote.pipelines.runtime.progress import say

STAGE = "embed"
WHOLE = "all"
ITEMS = "items"
SET_ASIDE = "set_aside"
# What these commits leave has the rows that were there before. Restoring a version is not among them.
_MAINTENANCE = {
    "ADD COLUMN",
    fence.OPERATION,
    "OPTIMIZE",
    "VACUUM START",
    "VACUUM END",
    "SET TBLPROPERTIES",
    "UNSET TBLPROPERTIES",
    "REORG",
    "CLUSTER BY",
}


@dataclass(frozen=True)
class Before:
    """What earlier runs left.

    `in_step`: the tables that agree with each other, by name. `notes_version`, `settings`: what the last finished run saw, null
    and "" where all notes are to be compared. `next_key`: the first item_key never committed. Keys of items since deleted
    are not given out again: old index segments and neighbour lists may still hold them.
    """

    in_step: frozenset[str]
    notes_version: int | None
    settings: str
    next_key: int

    def has(self, width: int) -> bool:
        """Say whether the vectors of `width` are as new as the items."""
        return embeddings_name(width) in self.in_step

    def has_all(self, widths: tuple[int, ...]) -> bool:
        """Say whether nothing is to be published when no note changed."""
        return set(published(widths)) == self.in_step


NOTHING = Before(frozenset(), None, "", 0)


def published(widths: tuple[int, ...]) -> list[str]:
    """Names of the tables of a generation that one run of embed keeps in step."""
    return [ITEMS, SET_ASIDE, *map(embeddings_name, widths)]


def find_before(run: Run, widths: tuple[int, ...]) -> Before:
    """Return what this run starts from, after undoing what a killed one had begun to write."""
    entries = ledger(run, STAGE)
    last = _last(entries)
    if last is None:
        if not tables.has_table(run.generation.uri(ITEMS)):
            return NOTHING
        say(f"embed: the ledger has no run of embed for {run.model.generation}, but its tables stand; comparing them")
        return compare_tables(run, widths)
    if not _is_complete(last):
        say(f"embed: run {last['run_id']} did not finish; going on from its last commit ({last['unit']})")
        if not _restore(run, last["outputs"]):
            return compare_tables(run, widths)
    elif changed := [name for name, version in last["outputs"].items() if not _stands(run, name, version)]:
        say(f"embed: {', '.join(changed)} changed since the last run of embed; comparing the tables")
        return compare_tables(run, widths)
    done = next(filter(_is_complete, entries), None)
    if done is None:
        return Before(frozenset(), None, "", last["next_key"])
    return Before(frozenset(done["outputs"]), done["inputs"]["notes"], done["fingerprint"], last["next_key"])


def look_before(run: Run, widths: tuple[int, ...]) -> Before:
    """Return what `find_before` would, and change nothing: tables that a killed run left are taken as they stand."""
    entries = ledger(run, STAGE)
    last = _last(entries)
    if last is None or not _is_complete(last):
        return NOTHING
    for name, version in last["outputs"].items():
        if not _stands(run, name, version):
            return NOTHING
    return Before(frozenset(last["outputs"]), last["inputs"]["notes"], last["fingerprint"], last["next_key"])


def _is_complete(entry: Entry) -> bool:
    return bool(entry["unit"] == WHOLE and entry["state"] == "done")


def _last(entries: list[Entry]) -> Entry | None:
    """Return the newest run's entry for all of it, or else for its last chunk, or else for its start."""
    newest = next((entry["run_id"] for entry in entries if entry["unit"] == WHOLE), None)
    # Others say that a width is stale, and nothing of what was committed.
    of_run = [entry for entry in entries if entry["run_id"] == newest and entry["next_key"] is not None]
    return next(filter(_is_complete, of_run), of_run[0] if of_run else None)


def _stands(run: Run, name: str, version: int) -> bool:
    """Say whether the table `name` has the rows of `version`, as far as its log tells."""
    uri = run.generation.uri(name)
    now = tables.version_or_absent(uri)
    return now == version or (now > version >= 0 and operations_since(uri, version) <= _MAINTENANCE)


def _restore(run: Run, outputs: Mapping[str, int]) -> bool:
    """Bring the tables back to these versions; say so and return False where files that are gone forbid it."""
    try:
        for name, version in outputs.items():
            uri = run.generation.uri(name)
            if tables.has_table(uri):
                restore(uri, version)
    except DeltaError as error:
        reason = str(error).strip().partition("\n")[0][:200]
        say(f"embed: its tables cannot be restored, perhaps after a VACUUM ({reason}); comparing them instead")
        return False
    return True


def complete_items(run: Run) -> None:
    """Bring the items to the lake's format: a version that was restored, or came back from a backup, may be older."""
    uri = run.generation.uri(ITEMS)
    if tables.has_table(uri):
        tables.add_columns(items_table(run.note_id), uri)


def compare_tables(run: Run, widths: tuple[int, ...]) -> Before:
    """Return which tables agree with the items as they stand; all notes are then compared with those.

    Where the widest vectors do not agree, the items whose content they hold count as embedded, and all others as changed.
    """
    _forget_embedded(run)
    names = list(map(embeddings_name, widths))
    items = _digest(run, ITEMS)
    in_step = set()
    for name in names:
        if items is not None and _digest(run, name) == items:
            in_step.add(name)
    # Narrower vectors are cut from the widest: without it none of them counts.
    in_step = in_step | {ITEMS, SET_ASIDE} if names[0] in in_step else set()
    stale = [name for name in names if name not in in_step]
    if stale:
        say(f"embed: {', '.join(stale)} do not agree with the items and are made anew where they differ")
    return Before(frozenset(in_step), None, "", _derive_next_key(run, widths))


def _digest(run: Run, name: str) -> tuple[int, int] | None:
    """Return (rows, a sum of hashes over keys and contents) of a table, whatever its order; null where there is none."""
    uri = run.generation.uri(name)
    if not tables.has_table(uri):
        return None
    # Half of the hash, so that a sum of billions does not overflow.
    place = F.shiftright(F.xxhash64("item_key", "content_hash"), 32)
    rows = tables.read_table(run.spark, uri).agg(F.count("*"), F.coalesce(F.sum(place), F.lit(0))).collect()[0]
    return rows[0], rows[1]


def _forget_embedded(run: Run) -> None:
    """Remove from what is set aside what has a row in the items: a chunk that was torn between the two left both."""
    spec = set_aside_table(run.note_id)
    uri = run.generation.uri(SET_ASIDE)
    items = run.generation.uri(ITEMS)
    if not (tables.has_table(uri) and tables.has_table(items)):
        return
    both = _keys(tables.read_table(run.spark, uri)).join(_keys(tables.read_table(run.spark, items)), [*ITEM_KEY])
    if not both.isEmpty():
        tables.delete_keys(both, spec, uri)


def _keys(frame: DataFrame) -> DataFrame:
    return frame.select(*ITEM_KEY)


def _derive_next_key(run: Run, widths: tuple[int, ...]) -> int:
    """Return a key past all that the ledger, the items, their vectors and the neighbour lists know of."""
    next_key = 0
    for entry in ledger(run, STAGE):
        next_key = max(next_key, entry["next_key"] or 0)
    for name in (ITEMS, *map(embeddings_name, widths), neighbour_state_table(run.note_id, "neighbours").name):
        uri = run.generation.uri(name)
        stored = largest(uri, items_table(run.note_id).key[0]) if tables.has_table(uri) else None
        if stored is not None:
            next_key = max(next_key, stored + 1)
    return int(next_key)
