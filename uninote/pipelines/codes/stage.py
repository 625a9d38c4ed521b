"""The codes stage: notes that changed are coded by the lake's codebook; others keep their ids.

What a note is coded as depends on its vector and the codebook alone, and its last code on what the table has: so a run may be
killed and begun again, or made of all notes instead of those that changed, and leaves the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from uninote.codes.codebook import Codebook, TooFewNotesError
from uninote.digests import digest
from uninote.lake.reserved import CODES
from uninote.lake.schemas import CODEBOOKS, code_moves_table
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.codes.changed import ChangedNotes, changed_notes
from uninote.pipelines.codes.codebooks import current_codebook, make_codebook
from uninote.pipelines.codes.drift import drift_of, say_drift
from uninote.pipelines.codes.few import are_few, code_few
from uninote.pipelines.codes.measuring import measure
from uninote.pipelines.codes.moves import write_moves
from uninote.pipelines.codes.takedown import hide_taken_down
from uninote.pipelines.codes.whole import code_all
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Outcome, Run, last_entry, record
from uninote.pipelines.runtime.progress import say

STAGE = "codes"
NEW_CODEBOOK = "new-codebook"
REBUILD = "rebuild"
_UNIT = "all"
_LAYOUT = 1  # of how notes are coded


@dataclass(frozen=True)
class _Work:
    """Vectors to be coded by a codebook, and the entry of the last run that did so; null where there is none by this one."""

    vectors: StoredVectors
    codebook: Codebook
    last: Mapping[str, Any] | None

    @property
    def run(self) -> Run:
        return self.vectors.run

    @property
    def table(self) -> str:
        """The name of the table of vectors."""
        return self.vectors.snapshot.vectors_name(self.vectors.width)

    @property
    def settings(self) -> str:
        """A digest of what codes depend on beside vectors: with another, all notes are coded."""
        return digest(_LAYOUT, self.codebook.fingerprint, self.table)


def codes(run: Run) -> dict[str, Any]:
    """Bring the codes of notes up to the newest embeddings, by the lake's codebook; the first run fits it.

    Raises CodebookError where the codebook is of another width.
    """
    started = time.time()
    hidden = hide_taken_down(run)
    if run.config.codes.enabled is False:
        say("codes: codes.enabled is false, so notes are not coded")
        return {"tables": {}, "state": "off", "hidden": hidden}
    snapshot = newest_snapshot(run)
    vectors = StoredVectors(run, snapshot, run.config.codes.width or snapshot.widths[0])
    try:
        codebook = _codebook(vectors)
    except TooFewNotesError as error:
        # A refresh goes on: a lake may begin small. The job says it as its error.
        say(f"codes: {error}")
        return {"tables": {}, "state": "refused", "refused": str(error), "hidden": hidden}
    work = _work(vectors, codebook)
    is_same = work.last is not None and work.last["inputs"] == _inputs(work)
    if is_same and not hidden and run.asked is None and work.last is not None:
        return _summary(work, work.last["counts"], work.last["metrics"]) | {"state": "unchanged"}
    counts, metrics = _code(work)
    write_moves(run, codebook)
    counts |= {"hidden": hidden, "without_vector": _without_vector(run, counts["notes"])}
    outputs = {name: tables.version_or_absent(uri) for name, uri in _uris(run).items()}
    record(run, STAGE, _UNIT, Outcome("done", counts, _inputs(work), outputs, metrics, work.settings), started)
    return _summary(work, counts, metrics) | {"state": "done"}


def _codebook(vectors: StoredVectors) -> Codebook:
    run = vectors.run
    codebook = None if run.asked == NEW_CODEBOOK else current_codebook(run)
    if codebook is None:
        return make_codebook(vectors)
    codebook.check_generation(run.model.generation, vectors.width)
    return codebook


def _work(vectors: StoredVectors, codebook: Codebook) -> _Work:
    work = _Work(vectors, codebook, last_entry(vectors.run, STAGE, _UNIT))
    is_ours = work.last is not None and work.last["fingerprint"] == work.settings
    has_table = tables.has_table(vectors.run.generation.uri(CODES))
    return work if is_ours and has_table else _Work(vectors, codebook, None)


def _inputs(work: _Work) -> dict[str, int]:
    return {work.table: work.vectors.snapshot.versions[work.table]}


def _code(work: _Work) -> tuple[dict[str, int], dict[str, float]]:
    """Code what changed, or all notes; returns counts and metrics for the ledger."""
    changed = _changes(work)
    metrics: dict[str, float] = {}
    limit = work.run.config.codes.max_drift
    if changed is None or work.last is None:
        made = code_all(work.vectors, work.codebook)
        error = np.array([made.pop("error")])
        counts = {name: int(value) for name, value in made.items()}
        drift = drift_of(work.codebook, np.repeat(error, counts["notes"]))
        counts["notes_coded"] = counts["notes"]
        metrics = measure(work.vectors, work.codebook)
    else:
        counts = code_few(work.run, changed, work.codebook)
        counts["notes"] = work.last["counts"]["notes"] + counts.pop("more_notes")
        counts["notes_coded"] = len(changed.coded)
        drift = drift_of(work.codebook, changed.errors)
    counts |= {"codebook": work.codebook.version, "drifted": int(say_drift(work.codebook, drift, limit))}
    say(f"codes: {counts['notes_coded']:,} notes coded; {counts['opened']:,} ids given, {counts['closed']:,} closed")
    return counts, metrics | ({} if drift is None else {"drift": drift})


def _changes(work: _Work) -> ChangedNotes | None:
    """Return what changed since the last run; null: all notes count as changed."""
    if work.last is None or work.run.asked == REBUILD or not are_few(work.run):
        return None
    since, version = work.last["inputs"][work.table], _inputs(work)[work.table]
    found = changed_notes(work.vectors, work.codebook, since, version) if since <= version else None
    names = taken_down(work.run.lake.root).names
    if found is not None:
        for note_id in [one for one in found.coded if str(one) in names]:
            del found.coded[note_id]
    return found


def _without_vector(run: Run, notes: int) -> int:
    """Return how many notes have no id, as embed set them aside."""
    embedded = last_entry(run, "embed", "all")
    return max(0, (embedded["counts"].get("notes_in", notes) if embedded is not None else notes) - notes)


def _uris(run: Run) -> dict[str, str]:
    names = (CODES, CODEBOOKS.name, code_moves_table(run.note_id).name)
    return {name: run.generation.uri(name) for name in names}


def _summary(work: _Work, counts: Mapping[str, int], metrics: Mapping[str, float]) -> dict[str, Any]:
    uris = {name: uri for name, uri in _uris(work.run).items() if tables.has_table(uri)}
    return {"tables": uris, **counts, "fingerprint": work.codebook.fingerprint, **metrics}


def is_wanted(run: Run) -> bool:
    """Say whether a refresh codes notes, or has to hide some that are taken down."""
    if not tables.has_table(run.generation.uri(CODES)):
        is_asked = any(rule.diverse is not None for rule in run.config.neighbours.tables.values())
        return bool(run.config.codes.enabled) or is_asked
    return run.config.codes.enabled is not False or bool(taken_down(run.lake.root))
