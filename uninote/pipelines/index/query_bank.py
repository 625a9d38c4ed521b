"""A bank of queries out of a source: those that are drawn are embedded, and their vectors stored, frozen."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from udfs.arrow import as_matrix
from uninote.errors import ConfigError
from uninote.lake.schemas import QUERY_BANKS
from uninote.notes.ingest.sources import find_source
from uninote.pipelines.embed.steps.model_run import model_tasks, with_inline
from uninote.pipelines.index.queries import query_items
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.encoders import s3_of
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.media_roots import policy_with
from uninote.pipelines.notes.note_ids import check_note_ids
from uninote.pipelines.notes.source.rows import read_source
from uninote.search.stored_banks import add_bank
from uninote.upkeep.writing import writing


def make_bank(run: Run) -> dict[str, Any]:
    """Store the vectors of at most `search.bank_size` different queries of `search.bank` as the next bank of the model.

    Raises ConfigError where no source is named, BankError where it has too few queries, and LakeBusyError where another run
    writes.
    """
    place = run.config.search.bank
    if place is None:
        raise ConfigError(
            "search.bank must name the source of queries that the bank is made of: --set search.bank=<place>"
        )
    vectors, rows = _embedded(run, place)
    with writing(run.config.lake, "search", run.run_id, run.config.index.folder, s3_of(run.config)):
        bank, is_new = add_bank(run.generation, vectors, run.run_id)
    uris = {QUERY_BANKS.name: run.generation.uri(QUERY_BANKS.name)}
    made = {"bank": bank.version, "fingerprint": bank.fingerprint, "queries": len(bank.vectors), "rows": rows}
    return {"state": "done" if is_new else "unchanged", "tables": uris, **made}


def _embedded(run: Run, place: str) -> tuple[np.ndarray, int]:
    """Return float32 (queries, width) of those that were drawn and have a vector, and how many rows the source has."""
    source = find_source(place)
    found = read_source(run, source, run.config.ingest, "search")
    check_note_ids(found.notes)
    drawn = _drawn(run, query_items(run, found.notes)).persist()
    staging = run.generation.uri(f"staging/search-{run.run_id}")
    with model_tasks(run, policy_with(run, source.media_root), staging) as tasks:
        said = tasks.stage(with_inline(drawn, found.images), drawn.count(), "search: queries of the bank, model")
        stored = said.where("vector IS NOT NULL").select("vector").toArrow()
    tables.remove(staging)
    drawn.unpersist()
    found.rows.unpersist()
    vectors = as_matrix(stored["vector"].combine_chunks()) if len(stored) else np.empty((0, 0), np.float32)
    return vectors, found.account.rows


def _drawn(run: Run, items: DataFrame) -> DataFrame:
    """Return the items of different contents, `bank_size` at most, the first by their hashes: the same however they come."""
    return items.dropDuplicates(["content_hash"]).orderBy("content_hash").limit(run.config.search.bank_size)
