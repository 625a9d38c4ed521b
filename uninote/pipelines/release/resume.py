"""After a rollback: the tables are brought back to the release that readers see, before a refresh does anything else.

A refresh goes on from where the tables stand. Once somebody has rolled back, they stand where the rejected release was made
from: so each table of the live release gets the content that it has there, in a new version, and the ledger an entry of each
stage that says what the release's own entry said, with the new versions in the place of the old.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from deltalake.exceptions import DeltaError

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import publish_manifest, read_manifest
from uninote.lake.delta_files import add_files, has_log, restore
from uninote.lake.lease.fence import holder
from uninote.lake.releases.pointer import Pointer, change_pointer, read_pointer
from uninote.lake.releases.record import IndexPin, Release, ReleaseError, read_release
from uninote.lake.reserved import CODES
from uninote.lake.schemas import CONFIDENCE_MAPS
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.ledger import append, entries
from uninote.pipelines.lake.run import Run
from uninote.pipelines.neighbours.decision import signature_of
from uninote.pipelines.notes.images.media_roots import s3_options
from uninote.pipelines.runtime.progress import say, step
from uninote.upkeep.index_files import kept_manifests

# (name of a table, version in the release) -> the version that has its content now
Moved = Mapping[tuple[str, int], int]
_BEFORE_JOIN = (
    "notes",
    "image_bytes",
    "image_files",
    "image_digests",
    "image_texts",
    "image_hashes",
    "items",
    "set_aside",
)
_OF_CODES = ("codebooks", "code_moves")
_MATCHING = ("gallery", "matches", "match_thresholds")
_MAPS = (CONFIDENCE_MAPS.name,)
_OTHER = "roll back to another release"


def resume(run: Run) -> bool:
    """Bring the tables back to the live release where a rollback asks for it; returns whether it did."""
    pointer = read_pointer(run.lake.root)
    if pointer.work_from is None:
        return False
    wanted = read_release(run.lake.root, pointer.work_from)
    say(f"refresh: release {wanted.id} was rolled back to; tables are brought back to it")
    with step(f"refresh: tables as in release {wanted.id}"):
        moved = _restore(run, wanted, {}, frozenset(wanted.generations[1:]))
        for pin in wanted.indexes.values():
            _restore_index(run, pin, moved)
        for beside in wanted.beside.values():
            # What the lake has once is restored, and its new versions are known.
            _restore(run, beside, moved, frozenset(path for path in beside.tables if "/" not in path))
    state = change_pointer(run.lake.root, lambda before: as_wanted(before, wanted.id))
    if state.work_from is not None:
        # Somebody rolled back further meanwhile.
        resume(run)
    return True


def as_wanted(before: Pointer, release_id: int) -> Pointer:
    """Return the state once the tables are as in a release; as it was where another one is wanted by now."""
    if before.work_from != release_id:
        return before
    return replace(before, work_from=None, change=f"tables are as in release {release_id}")


def _restore(run: Run, wanted: Release, before: Moved, without: Collection[str]) -> Moved:
    """Bring back what a release has of one generation, and the lake, `without` some tables or generations; returns what moved.

    `before`: what moved already, of which tables of the lake count.
    """
    own = {path: one for path, one in wanted.tables.items() if not {path, path.partition("/")[0]}.intersection(without)}
    known = {(name, version): moved for (name, version), moved in before.items() if name in wanted.tables}
    moved = _restore_tables(run, replace(wanted, tables=own), known)
    _write_entries(run, wanted, moved)
    return moved


def _restore_tables(run: Run, wanted: Release, known: Moved) -> Moved:
    """Give each table the content of the release; returns (name, version in the release) -> the new version, and `known`."""
    moved = dict(known)
    # Neighbours are signed with the versions of what they were made of, so those come first.
    for path in sorted(wanted.tables, key=lambda path: _is_of_join(_name(wanted, path))):
        if _name(wanted, path) == CODES:
            # Codes are never given out twice, not even those of notes that the rejected release alone had: the stage goes on
            # from where it was, and the feed of the vectors tells it what comes back.
            continue
        version = wanted.tables[path]
        uri = run.lake.uri(path)
        if not has_log(uri):
            raise ReleaseError(f"{uri} is gone, and release {wanted.id} has version {version} of it; {_OTHER}")
        try:
            if _is_of_join(_name(wanted, path)):
                add_files(uri, version, (), made_from=_signature(run, wanted, moved))
            else:
                restore(uri, version)
        except DeltaError as error:
            reason = str(error).splitlines()[0]
            raise ReleaseError(f"version {version} of {uri} cannot be restored ({reason}); {_OTHER}") from error
        moved[_name(wanted, path), version] = tables.table_version(uri)
    _forget_maps(run, wanted)
    return moved


def _forget_maps(run: Run, wanted: Release) -> None:
    """Take maps to confidences out that were fitted after the release, where it had none: the first version is empty."""
    path = f"{wanted.generation}/{CONFIDENCE_MAPS.name}"
    if path not in wanted.tables and has_log(run.lake.uri(path)):
        restore(run.lake.uri(path), 0)


def _name(wanted: Release, path: str) -> str:
    return path.removeprefix(f"{wanted.generation}/")


def _is_of_join(name: str) -> bool:
    """Say whether a table is one that the neighbours stage makes."""
    others = (*_BEFORE_JOIN, *_OF_CODES, *_MATCHING, *_MAPS)
    return name not in others and not name.startswith("embeddings/")


def _signature(run: Run, wanted: Release, moved: Moved) -> str:
    """Return what the tables of neighbours are signed with, once what they were made of has its new versions."""
    entry = next(one for one in entries(run.lake) if one["sequence"] == wanted.entries["neighbours/all"])
    inputs = _with_new_versions(entry["inputs"], moved)
    return signature_of(entry["fingerprint"], inputs, int(entry["as_of"].timestamp()))


def _write_entries(run: Run, wanted: Release, moved: Moved) -> None:
    """Say in the ledger again what it said when the release was made, of the tables' new versions."""
    known = entries(run.lake)
    # Keys are never given out twice, not even those of notes that the rejected release alone had.
    next_key = max((entry["next_key"] or 0 for entry in known), default=0)
    by_sequence = {entry["sequence"]: entry for entry in known}
    for sequence in sorted(number for name, number in wanted.entries.items() if not name.startswith(f"{CODES}/")):
        entry = dict(by_sequence[sequence])
        for column in ("inputs", "outputs"):
            entry[column] = _with_new_versions(entry[column], moved)
        if entry["next_key"] is not None:
            entry["next_key"] = next_key
        append(run.lake, entry)


def _with_new_versions(versions: Mapping[str, int], moved: Moved) -> dict[str, int]:
    return {name: moved.get((name, version), version) for name, version in versions.items()}


def _restore_index(run: Run, pin: IndexPin, moved: Moved) -> None:
    """Make the release's manifest the newest again: the files that it names were kept for it."""
    folder = IndexFolder(pin.place(run.lake.root), s3_options(run.config))
    manifest = read_manifest(folder, pin.manifest)
    last = replace(manifest.segments[-1], versions=_with_new_versions(manifest.segments[-1].versions, moved))
    again = replace(manifest, segments=(*manifest.segments[:-1], last))
    publish_manifest(folder, again, holder(), kept_manifests(run.lake.root, folder))
