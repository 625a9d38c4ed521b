"""Erasing what is taken down: whatever holds it goes, and only what is found nowhere any more is called erased.

It begins and ends with a search through all files of the lake. A Delta version cannot lose a row: so releases that need a file
in which a note was found end, then the file goes, and the table's log forgets every version but those that are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import read_manifest
from uninote.judgments.stored import hide_taken_down as hide_judged
from uninote.lake.delta_files import files_of, has_log
from uninote.lake.generation_record import ITEMS, find_generations
from uninote.lake.lease.fence import look
from uninote.lake.paths import STAGING
from uninote.lake.releases.elsewhere import pinned_elsewhere
from uninote.lake.releases.pointer import Pointer, change_pointer, now, read_pointer
from uninote.lake.releases.record import Release, read_release
from uninote.lake.releases.registry import FILES, LISTS, NOTHING, ROWS, artefact_of
from uninote.lake.takedowns.orders import mark_erased, read_orders
from uninote.lake.upkeep.log_erasure import forget_versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.encoders import s3_of
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.release.retention import household_of
from uninote.pipelines.runtime.progress import say, step
from uninote.storage import lake_files
from uninote.storage.lake_files import join, relative
from uninote.takedown.traces import traces_in
from uninote.takedown.wanted import Wanted, stored_pieces, wanted_of
from uninote.upkeep.places import indexes_of, tables_below
from uninote.upkeep.retention import remove_index_files

STAGE = "erasure"


@dataclass(frozen=True)
class Work:
    """What is to be done: the paths of files that hold a note, and the releases that are kept once others ended."""

    run: Run
    held: frozenset[str]
    kept: Sequence[Release]
    needed: frozenset[str]


def erase(run: Run) -> dict[str, Any]:
    """Erase notes that are taken down from all that the lake has, and say in the list which are erased.

    One that the live release still needs, as it was taken down when ingest had read its source, is left to the next refresh.
    """
    started = time.time()
    pending = {order.note_id: order.digest for order in read_orders(run.lake.root) if order.note_id is not None}
    if not pending or read_pointer(run.lake.root).live is None:
        return {"tables": {}, "state": "unchanged"}
    hide_judged(run.lake.root)
    with step(f"erasure: {len(pending):,} notes, in all files of the lake"):
        found = wanted_of(run.lake.root, pending)
        wanted = replace(found, pieces=stored_pieces(run.lake.root, pending))
        # Asked once: of releases that end, indexes that lie elsewhere are nobody's afterwards.
        roots = _roots(run)
        ended = _erase(run, wanted, roots)
        left = list(traces_in(roots, wanted.marks_for))
    waiting = {trace.note_id for trace in left}
    done = [digest for note_id, digest in pending.items() if note_id not in waiting]
    mark_erased(run.lake.root, done)
    if waiting:
        place = relative(run.lake.root, left[0].path) if left[0].path.startswith(run.lake.root) else left[0].path
        say(f"erasure: {len(waiting):,} notes are in the lake still, as in {place}; the next refresh looks again")
    counts = {"erased": len(done), "waiting": len(waiting), "releases_ended": ended}
    record(run, STAGE, "all", Outcome("done", counts), started)
    return {"tables": {}, "state": "done", **counts}


def _erase(run: Run, wanted: Wanted, roots: Mapping[str, str]) -> int:
    """Remove whatever below `roots` holds one of the notes and is not needed; returns how many releases ended."""
    traces = list(traces_in(roots, wanted.marks_for))
    live = read_release(run.lake.root, read_pointer(run.lake.root).live or 0)
    needed = {*_needed_by(run, live), *_newest(run, _worked_with(run).union(live.generations))}
    blocked = {trace.note_id for trace in traces if trace.path in needed}
    held = frozenset(trace.path for trace in traces if trace.note_id not in blocked)
    if not held:
        return 0
    ended = _end_releases(run, held, live)
    kept = [read_release(run.lake.root, number) for number in read_pointer(run.lake.root).kept]
    needed.update(*(_needed_by(run, release) for release in kept))
    work = Work(run, held, kept, frozenset(needed))
    used = _worked_with(run).union(*(release.generations for release in kept))
    by_artefact: dict[tuple[str, str], list[str]] = {}
    for path in sorted(held):
        by_artefact.setdefault(_owner(work, path), []).append(path)
    others = [name for name in find_generations(run.lake.root) if name not in used]
    _remove_generations(run, {place.partition("/")[0] for place, _ in by_artefact}.intersection(others))
    remove_index_files(household_of(run), kept)
    # A run that is killed here is followed by one that asks notes and items what to look for elsewhere: they go last.
    for place, way in sorted(by_artefact, key=lambda one: (_tells_what_to_look_for(one[0]), one)):
        look()
        if place.partition("/")[0] not in others:
            ERASERS[way](work, place, by_artefact[place, way])
    tables.forget_logs(run.spark)
    return ended


def _worked_with(run: Run) -> set[str]:
    """Return the generations that the next run goes on from: the model's, and those of further sets of vectors."""
    return {run.model.generation, *(one.model.generation for one in run.embeddings.values())}


def _tells_what_to_look_for(place: str) -> bool:
    """Say whether a table has the keys or the texts that other files are searched for."""
    return place == "notes" or place.endswith(f"/{ITEMS}")


def _remove_generations(run: Run, generations: Collection[str]) -> None:
    """Remove all that was made with some models, their items last, and their indexes that lie elsewhere."""
    for generation in sorted(generations):
        look()
        if run.config.index.folder is not None:
            lake_files.remove_folder(join(run.config.index.folder, generation))
        for name in lake_files.folders_in(run.lake.uri(generation)):
            if name != ITEMS:
                lake_files.remove_folder(run.lake.uri(f"{generation}/{name}"))
        lake_files.remove_folder(run.lake.uri(generation))


def _roots(run: Run) -> dict[str, str]:
    """Return the folders in which anything of the lake lies, each with its name in the lake: indexes may lie elsewhere."""
    lake = run.lake.root.rstrip("/")
    roots = {lake: "", **pinned_elsewhere(lake)}
    for folder in indexes_of(lake, run.config.index.folder, s3_of(run.config)):
        if not folder.uri.startswith(f"{lake}/"):
            # It ends as in the lake: <generation>/index/w<width>.
            roots[folder.uri] = "/".join(folder.uri.rstrip("/").split("/")[-3:])
    return roots


def _newest(run: Run, generations: Collection[str]) -> Iterator[str]:
    """Yield the files of the newest versions of all tables, and of the newest indexes, but for those of other generations."""
    others = {join(run.lake.root, name) for name in find_generations(run.lake.root) if name not in generations}
    for uri in tables_below(run.lake.root):
        if not any(uri.startswith(f"{one}/") for one in others):
            yield from (file.path for file in files_of(uri))
    for folder in indexes_of(run.lake.root, run.config.index.folder, s3_of(run.config)):
        if folder.uri.rstrip("/").split("/")[-3] in generations:
            yield from (join(folder.uri, file.name) for file in read_manifest(folder).files)


def _needed_by(run: Run, release: Release) -> Iterator[str]:
    """Yield the files that readers of a release read."""
    for path, version in release.tables.items():
        yield from (file.path for file in files_of(run.lake.uri(path), version))
    for pin in release.indexes.values():
        place = pin.place(run.lake.root)
        manifest = read_manifest(IndexFolder(place, s3_of(run.config)), pin.manifest)
        yield from (join(place, file.name) for file in manifest.files)


def _end_releases(run: Run, held: frozenset[str], live: Release) -> int:
    """Let go of kept releases that need a file in which a note was found, pinned ones too; returns how many those are."""
    ended = []
    for number in read_pointer(run.lake.root).kept:
        release = read_release(run.lake.root, number)
        if number != live.id and not held.isdisjoint(_needed_by(run, release)):
            ended.append(number)
    if ended:
        pinned = read_pointer(run.lake.root).pinned
        names = ", ".join(f"{one} (pinned: {pinned[str(one)]})" if str(one) in pinned else str(one) for one in ended)
        say(f"erasure: releases {names} held notes that were taken down, and end")
        change_pointer(run.lake.root, lambda before: without(before, ended))
    return len(ended)


def without(before: Pointer, ended: Sequence[int]) -> Pointer:
    """Return the state without releases that end because notes were taken down."""
    texts = {str(number) for number in ended}
    return replace(
        before,
        kept=tuple(number for number in before.kept if number not in ended),
        pinned={number: why for number, why in before.pinned.items() if number not in texts},
        rejected=tuple(number for number in before.rejected if number not in ended),
        replaced={number: when for number, when in before.replaced.items() if number not in texts},
        ended=tuple(sorted({*before.ended, *ended})),
        endings={**before.endings, **{str(number): _ending(before, number) for number in ended}},
        change=f"releases {', '.join(map(str, ended))} ended because notes were taken down",
    )


def _ending(before: Pointer, number: int) -> str:
    why = before.pinned.get(str(number))
    return now() + (f"; it was pinned: {why}" if why is not None else "")


def _owner(work: Work, path: str) -> tuple[str, str]:
    """Return the table or artefact that a file belongs to, relative to the lake, and how it is erased from it."""
    root = work.run.lake.root.rstrip("/")
    if not path.startswith(f"{root}/"):
        return "index", LISTS
    name = relative(root, path)
    for uri in tables_below(root):
        if path.startswith(f"{uri}/"):
            name = relative(root, uri)
    try:
        # A file that lies in the lake itself is called as the artefact is: report.html.
        first, _, rest = name.partition("/")
        if first == STAGING:
            return name, FILES
        artefact = artefact_of(name if rest else first.partition(".")[0], find_generations(root))
    except ValueError:
        say(f"erasure: {name} is no file of this program and holds a note that is taken down; remove it by hand")
        return name, NOTHING
    return name, artefact.erased


def _from_table(work: Work, place: str, paths: Sequence[str]) -> None:
    """Remove the files that no kept version needs, and let the log forget all but those versions."""
    uri = work.run.lake.uri(place)
    keep = {release.tables[place] for release in work.kept if place in release.tables}
    forget_versions(uri, keep)
    for path in paths:
        if path not in work.needed and "/_delta_log/" not in path:
            lake_files.remove(path)


def _from_lists(work: Work, place: str, paths: Sequence[str]) -> None:
    """As `_from_table`; of an index, files that no kept manifest names go."""
    if has_log(work.run.lake.uri(place)):
        _from_table(work, place, paths)
        return
    for path in paths:
        if path not in work.needed:
            lake_files.remove(path)


def _from_files(work: Work, place: str, paths: Sequence[str]) -> None:
    """Remove the files; of a training set the whole set, which is none without one of its files."""
    for path in paths:
        name = relative(work.run.lake.root.rstrip("/"), path)
        parts = name.split("/")
        if parts[0] == "training" and len(parts) > 2:
            lake_files.remove_folder(work.run.lake.uri("/".join(parts[:2])))
        lake_files.remove(path)


def _from_nothing(work: Work, place: str, paths: Sequence[str]) -> None:
    """Leave alone what should not hold a note: the search that ends the stage says that it does."""


ERASERS: Mapping[str, Callable[[Work, str, Sequence[str]], None]] = {
    ROWS: _from_table,
    LISTS: _from_lists,
    FILES: _from_files,
    NOTHING: _from_nothing,
}
