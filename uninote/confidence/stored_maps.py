"""The maps of a generation: one version for each fit, of which the last one of a neighbour table counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import Schema

from uninote.confidence.confidence_map import ConfidenceMap
from uninote.confidence.fitting import Quality
from uninote.errors import UninoteError
from uninote.lake.delta_files import append_rows, create_table, has_log
from uninote.lake.paths import GenerationLake
from uninote.lake.schemas import CONFIDENCE_MAPS
from uninote.lake.small_tables import read_batches


class MapError(UninoteError):
    """A stored map that may not be used."""


@dataclass(frozen=True)
class StoredMap:
    """The `number`-th map of a neighbour table: what it is, whose judgments it was fitted to, how many, and when."""

    table: str
    number: int
    source: str
    found: ConfidenceMap
    pairs: int
    fitted_at: datetime


@dataclass(frozen=True)
class Origin:
    """Where the judgments of a map come from: the `source`, of lists of a `table` in a `release`."""

    table: str
    source: str
    release: int


def read_maps(generation: GenerationLake, version: int | None = None) -> dict[str, StoredMap]:
    """Return the map of each neighbour table that has one, as of a version of the table of maps, null: the newest.

    Raises MapError where one is of another generation.
    """
    uri = generation.uri(CONFIDENCE_MAPS.name)
    if not has_log(uri):
        return {}
    found: dict[str, StoredMap] = {}
    for batch in read_batches(uri, CONFIDENCE_MAPS.columns, version):
        for row in batch.to_pylist():
            _check_generation(row, generation)
            known = found.get(row["table"])
            if known is None or row["number"] > known.number:
                found[row["table"]] = _stored(row)
    return found


def _check_generation(row: Mapping[str, Any], generation: GenerationLake) -> None:
    if row["generation"] != generation.generation:
        raise MapError(
            f"the confidence map {row['number']} of {row['table']} is of the model {row['generation']}, and these lists are of "
            f"{generation.generation}; remove {generation.uri(CONFIDENCE_MAPS.name)}, and fit one to judgments of this model"
        )


def _stored(row: Mapping[str, Any]) -> StoredMap:
    found = ConfidenceMap(**{one.name: tuple(row[one.name]) for one in fields(ConfidenceMap)})
    return StoredMap(row["table"], row["number"], row["source"], found, row["pairs"], row["fitted_at"])


def add_map(generation: GenerationLake, origin: Origin, found: ConfidenceMap, quality: Quality) -> int:
    """Store a map as the next of its table, in one commit, and return its number. Whoever calls holds the lake's lease."""
    uri = generation.uri(CONFIDENCE_MAPS.name)
    before = read_maps(generation).get(origin.table)
    number = 1 if before is None else before.number + 1
    row = asdict(origin) | asdict(found) | _measured(quality)
    row |= {"number": number, "generation": generation.generation, "fitted_at": datetime.now(UTC)}
    schema = pa.schema(Schema.from_json(CONFIDENCE_MAPS.schema.json()).to_arrow())
    if not has_log(uri):
        create_table(uri, CONFIDENCE_MAPS.schema.json(), {})
    append_rows(uri, pa.Table.from_pylist([row], schema))
    return number


def _measured(quality: Quality) -> dict[str, float]:
    return {
        "pairs": quality.pairs,
        "notes": quality.notes,
        "base_rate": quality.base_rate.value,
        "brier": quality.brier.value,
        "brier_gain_base": quality.brier_gain_base.value,
        "brier_gain_cosine": quality.brier_gain_cosine.value,
        "calibration_error": quality.error,
        "perfect_error": quality.perfect_error,
    }
