"""The banks of queries of a generation: a version for each, frozen, of vectors alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import Schema

from uninote.errors import UninoteError
from uninote.lake.delta_files import append_rows, create_table, has_log
from uninote.lake.paths import GenerationLake
from uninote.lake.schemas import QUERY_BANKS
from uninote.lake.small_tables import read_batches
from uninote.search.hubness import LEAST_QUERIES


class BankError(UninoteError):
    """There is no bank of queries, or one that may not be used."""


@dataclass(frozen=True)
class QueryBank:
    """The bank of a `version`: `vectors` float32 (queries, width) of unit length, and what tells it from others."""

    version: int
    fingerprint: str
    vectors: np.ndarray


def read_bank(generation: GenerationLake, version: int | None = None) -> QueryBank:
    """Return a bank, null: the newest.

    Raises BankError where there is none, where it is of another generation, and where it is damaged.
    """
    rows = {row["version"]: row for row in _rows(generation)}
    chosen = max(rows, default=0) if version is None else version
    if chosen not in rows:
        known = ", ".join(map(str, sorted(rows))) or "none"
        raise BankError(
            f"the model {generation.generation} has no bank of queries{'' if version is None else f' {version}'}; known are: "
            f"{known}. Make one: jobs/search.py --make-bank --set search.bank=<place of queries>"
        )
    return _opened(rows[chosen], generation)


def add_bank(generation: GenerationLake, vectors: np.ndarray, run_id: str) -> tuple[QueryBank, bool]:
    """Store vectors, float32 (queries, width), as the next bank, and return it, and whether it is new.

    The newest bank is returned where it has the same vectors. Whoever calls holds the lake's lease. Raises BankError for
    fewer than LEAST_QUERIES.
    """
    if len(vectors) < LEAST_QUERIES:
        raise BankError(
            f"search.bank has {len(vectors)} different queries that can be embedded, and a bank takes {LEAST_QUERIES} or more"
        )
    # In the order of their bytes: the same queries are the same bank, and the order of the source is not told.
    ordered = np.ascontiguousarray(vectors[np.lexsort(vectors.T[::-1])], "<f4")
    fingerprint = _fingerprint(ordered.tobytes(), generation)
    newest = max(_rows(generation), key=lambda row: int(row["version"]), default=None)
    if newest is not None and newest["fingerprint"] == fingerprint:
        return _opened(newest, generation), False
    bank = QueryBank(1 if newest is None else newest["version"] + 1, fingerprint, ordered)
    _store(generation, bank, run_id)
    return bank, True


def _store(generation: GenerationLake, bank: QueryBank, run_id: str) -> None:
    row = {
        "version": bank.version,
        "fingerprint": bank.fingerprint,
        "generation": generation.generation,
        "width": bank.vectors.shape[1],
        "queries": len(bank.vectors),
        "vectors": bank.vectors.tobytes(),
        "made_at": datetime.now(UTC),
        "run_id": run_id,
    }
    uri = generation.uri(QUERY_BANKS.name)
    if not has_log(uri):
        create_table(uri, QUERY_BANKS.schema.json(), {})
    append_rows(uri, pa.Table.from_pylist([row], pa.schema(Schema.from_json(QUERY_BANKS.schema.json()).to_arrow())))


def _rows(generation: GenerationLake) -> list[dict[str, Any]]:
    uri = generation.uri(QUERY_BANKS.name)
    if not has_log(uri):
        return []
    return [row for batch in read_batches(uri, QUERY_BANKS.columns) for row in batch.to_pylist()]


def _opened(row: Mapping[str, Any], generation: GenerationLake) -> QueryBank:
    if row["generation"] != generation.generation:
        raise BankError(
            f"the bank of queries {row['version']} is of the model {row['generation']}, and this one is "
            f"{generation.generation}; their vectors do not compare. Make a bank with this model: jobs/search.py --make-bank"
        )
    vectors = np.frombuffer(row["vectors"], "<f4").reshape(-1, row["width"])
    return QueryBank(row["version"], row["fingerprint"], vectors)


def _fingerprint(content: bytes, generation: GenerationLake) -> str:
    return hashlib.sha256(generation.generation.encode() + b"\0" + content).hexdigest()[:16]
