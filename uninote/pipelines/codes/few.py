"""Codes of a night's notes, put into the table without Spark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uninote.codes.codebook import Codebook
from uninote.codes.numbering import CodedNote, plan_changes
from uninote.codes.packing import pack
from uninote.lake.delta_files import files_of
from uninote.lake.reserved import CODES
from uninote.lake.rewriting import can_apply
from uninote.lake.schemas import codes_table
from uninote.lake.small_tables import read_batches
from uninote.pipelines.codes.changed import ChangedNotes
from uninote.pipelines.codes.frames import changed_table
from uninote.pipelines.codes.writing import apply_here
from uninote.pipelines.lake.run import Run

_MOST_BYTES = 512 << 20  # of the table's files, which are read whole
_COLUMNS = ("note_id", "codes", "codebook", "present")


def are_few(run: Run) -> bool:
    """Say whether the table is one that the driver reads and changes by itself."""
    uri = run.generation.uri(CODES)
    return can_apply(uri) and sum(file.size for file in files_of(uri)) <= _MOST_BYTES


def code_few(run: Run, changed: ChangedNotes, codebook: Codebook) -> dict[str, int]:
    """Bring the table up to what changed, in one commit; returns counts."""
    spec = codes_table(run.note_id)
    uri = run.generation.uri(spec.name)
    known, tops = _known(run, changed, codebook)
    changes = plan_changes(changed.coded, set(changed.gone), known, tops)
    if changes:
        apply_here(run, changed_table(run, uri, changes, codebook), spec, uri)
    opened = sum(row.present for row in changes)
    before = {row.note_id for row in known if row.present}
    now = (before | changed.coded.keys()) - set(changed.gone)
    return {"opened": opened, "closed": len(changes) - opened, "more_notes": len(now) - len(before)}


def _known(run: Run, changed: ChangedNotes, codebook: Codebook) -> tuple[list[CodedNote], dict[int, int]]:
    """Return the rows of changed notes, and the greatest last code of each prefix that these have now."""
    note_ids = pa.array([*changed.coded, *changed.gone]) if changed.coded or changed.gone else pa.array([], pa.string())
    prefixes = np.unique(np.fromiter(changed.coded.values(), np.int64, len(changed.coded)))
    greatest = np.full(len(prefixes), -1, np.int64)
    known: list[CodedNote] = []
    for batch in read_batches(run.generation.uri(CODES), _COLUMNS):
        mine = batch.filter(pc.equal(batch["codebook"], codebook.version))
        if not len(mine):
            continue
        codes = mine["codes"].flatten().to_numpy().reshape(len(mine), -1)
        packed, lasts = pack(codes[:, :-1], codebook.size), codes[:, -1]
        _raise(greatest, prefixes, packed, lasts)
        rows = np.flatnonzero(_are_among(mine["note_id"], note_ids))
        picked = mine.take(pa.array(rows))
        columns = (picked["note_id"].to_pylist(), packed[rows].tolist(), lasts[rows].tolist())
        known += map(CodedNote._make, zip(*columns, picked["present"].to_pylist(), strict=True))
    return known, dict(zip(prefixes.tolist(), greatest.tolist(), strict=True))


def _are_among(note_ids: pa.Array, wanted: pa.Array) -> np.ndarray:
    found: Any = pc.is_in(note_ids, wanted.cast(note_ids.type))
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _raise(greatest: np.ndarray, prefixes: np.ndarray, packed: np.ndarray, lasts: np.ndarray) -> None:
    """Raise the greatest last code of each of `prefixes`, int64 ascending, to what some rows have."""
    if not len(prefixes):
        return
    place = np.minimum(np.searchsorted(prefixes, packed), len(prefixes) - 1)
    mine = prefixes[place] == packed
    np.maximum.at(greatest, place[mine], lasts[mine])
