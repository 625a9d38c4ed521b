"""What a run that coded all notes measures of their codes, for the ledger."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.codes.codebook import Codebook
from uninote.codes.measures import entropy, numbers_of, preserved, purities
from uninote.lake.reserved import CODES
from uninote.lake.rows_by_id import RowsById
from uninote.pipelines.codes.frames import packed_rows
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors, VectorSample
from uninote.pipelines.runtime.progress import say, step

_LABELLED = 5_000  # notes that purity is measured on
_ASKED = 300  # notes whose neighbours are looked at
_NEIGHBOURS = 20
_LABEL = "category"


def measure(vectors: StoredVectors, codebook: Codebook) -> dict[str, float]:
    """Return how codes are used, by all notes, and on samples what they keep of labels and neighbours; says it too."""
    with step("codes: how they are used, and what they keep"):
        found = {f"error_{level}": error for level, error in enumerate(codebook.errors, 1)}
        found |= _use(vectors, codebook)
        sample = vectors.sample(_LABELLED, vectors.run.config.codes.seed)
        found |= _purity(vectors, codebook, sample) | _preserved(vectors, codebook, sample)
    _say(found, codebook.levels)
    return found


def _use(vectors: StoredVectors, codebook: Codebook) -> dict[str, float]:
    run = vectors.run
    table = tables.read_table(run.spark, run.generation.uri(CODES)).where("present")
    notes = packed_rows(table, codebook).groupBy("prefix").count()
    about = notes.agg(F.sum("count"), F.sum(F.when(F.col("count") > 1, F.col("count")))).first()
    assert about is not None
    found = {"collision_share": (about[1] or 0) / max(1, about[0] or 0)}
    for level, counts in enumerate(_counts(table, codebook), 1):
        found |= {
            f"entropy_{level}": entropy(counts),
            f"use_{level}": float((counts > 0).mean()),
            f"most_{level}": float(counts.max() * codebook.size / max(1, counts.sum())),
        }
    return found


def _counts(table: DataFrame, codebook: Codebook) -> np.ndarray:
    """Return int64 (levels, size): how many notes have each code."""
    mine = table.where(F.col("codebook") == codebook.version).select(F.posexplode("codes").alias("level", "code"))
    counts = np.zeros((codebook.levels, codebook.size), np.int64)
    for row in mine.where(F.col("level") < codebook.levels).groupBy("level", "code").count().collect():
        counts[row["level"], row["code"]] = row["count"]
    return counts


def _purity(vectors: StoredVectors, codebook: Codebook, sample: VectorSample) -> dict[str, float]:
    """Return purities by the notes' categories; nothing where no two notes have different ones."""
    ids = sample.note_ids.to_pylist()
    rows = RowsById(vectors.run.lake.uri("notes"), None, ("note_id", _LABEL)).find(ids)
    by_note = dict(zip(rows["note_id"].to_pylist(), rows[_LABEL].to_pylist(), strict=True))
    labels = numbers_of([by_note.get(note_id) for note_id in ids])
    known = labels >= 0
    if len(np.unique(labels[known])) < 2:
        return {}
    some = np.ascontiguousarray(sample.vectors[known])
    return purities(codebook.encode(some), codebook.size, labels[known], some)


def _preserved(vectors: StoredVectors, codebook: Codebook, sample: VectorSample) -> dict[str, float]:
    keys, asked = sample.keys[:_ASKED], sample.vectors[:_ASKED]
    ids = vectors.exact(keys, asked, _NEIGHBOURS).ids
    others = np.unique(ids[ids >= 0])
    if not len(others):
        return {}
    known, matrix = vectors.pick(others)
    place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    shares = preserved(codebook.encode(asked), ids >= 0, codebook.encode(matrix)[place])
    return {f"neighbours_{level}": share for level, share in enumerate(shares, 1)}


def _say(found: dict[str, float], levels: int) -> None:
    for level in range(1, levels + 1):
        parts = [f"entropy {found[f'entropy_{level}']:.3f}", f"used {found[f'use_{level}']:.0%}"]
        parts += [
            f"at most {found[f'most_{level}']:.2f} shares a code",
            f"left of distances {found[f'error_{level}']:.3f}",
        ]
        for name, said in (("purity", "purity"), ("purity_random", "random"), ("purity_kmeans", "k-means")):
            if f"{name}_{level}" in found:
                parts.append(f"{said} {found[f'{name}_{level}']:.3f}")
        if f"neighbours_{level}" in found:
            parts.append(f"neighbours with the same codes so far {found[f'neighbours_{level}']:.3f}")
        say(f"codes: level {level}: {', '.join(parts)}")
    say(f"codes: {found['collision_share']:.1%} of notes share all codes but the last with another note")
