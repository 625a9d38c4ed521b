"""The lake's codebooks: the one that notes are coded by, and a new one fitted to a sample."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from uninote.codes.codebook import Codebook
from uninote.codes.files import to_bytes
from uninote.codes.fitting import FitSettings, fit_codebook
from uninote.codes.stored import read_codebook
from uninote.lake.delta_files import append_rows, has_log
from uninote.lake.reserved import CODES
from uninote.lake.schemas import CODEBOOKS
from uninote.lake.small_tables import read_batches
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import step
from uninote.vectors.sampling import training_seed

_HELD_OUT = 8_192  # notes that the codebook's errors are measured on


def current_codebook(run: Run) -> Codebook | None:
    """Return the codebook that notes are coded by, null where there is none yet."""
    return read_codebook(run.generation.uri(CODEBOOKS.name))


def make_codebook(vectors: StoredVectors) -> Codebook:
    """Fit a codebook to a sample, as the configuration says, and store it. Raises TooFewNotesError."""
    run = vectors.run
    settings = run.config.codes
    sample = vectors.draw(settings.fit_notes, training_seed(settings.seed))
    fit = FitSettings(settings.levels, settings.size, settings.most, seed=settings.seed)
    with step(f"codes: a codebook of {fit.levels} levels of {fit.size} codes, fitted to {len(sample):,} notes"):
        fitted = fit_codebook(sample, fit, run.model.generation, _next_version(run))
        held_out = fitted.encode_with_errors(vectors.draw(_HELD_OUT, settings.seed)).errors
    codebook = replace(fitted, errors=tuple(held_out.mean(axis=0, dtype=np.float64).tolist()))
    _store(run, codebook, len(sample))
    return codebook


def _next_version(run: Run) -> int:
    """Return a version that no codebook had: codes outlive a codebook that was rolled back."""
    found = [0]
    for name, column in ((CODEBOOKS.name, "version"), (CODES, "codebook")):
        uri = run.generation.uri(name)
        if has_log(uri):
            for batch in read_batches(uri, (column,)):
                found += set(batch[column].to_pylist())
    return max(found) + 1


def _store(run: Run, codebook: Codebook, notes: int) -> None:
    uri = run.generation.uri(CODEBOOKS.name)
    tables.create(run.spark, CODEBOOKS, uri)
    metrics = {f"error_{level + 1}": error for level, error in enumerate(codebook.errors)}
    row = {
        "version": codebook.version,
        "fingerprint": codebook.fingerprint,
        "generation": codebook.generation,
        "width": codebook.width,
        "levels": codebook.levels,
        "size": codebook.size,
        "content": to_bytes(codebook),
        "notes": notes,
        "metrics": list(metrics.items()),
        "made_at": datetime.now(UTC),
        "run_id": run.run_id,
    }
    schema = pa.schema(DeltaTable(uri, without_files=True).schema().to_arrow())
    append_rows(uri, pa.Table.from_pylist([row], schema))
