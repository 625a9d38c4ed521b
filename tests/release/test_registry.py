"""Every table and folder of a lake says how releases pin it, how it is cleaned up, and how a note is erased from it."""

from __future__ import annotations

import pytest
from pyspark.sql.types import StringType

from uninote.lake import schemas
from uninote.lake.releases.registry import ARTEFACTS, GENERATION, LAKE, RULE, VERSION, artefact_of
from uninote.lake.reserved import _OF_GENERATIONS, _OF_LAKES

GENERATION_NAME = "0123456789abcdef"


def table_names():
    """Return the first names of all tables that the schemas define."""
    made = [
        schemas.notes_table(StringType()),
        schemas.items_table(StringType()),
        schemas.set_aside_table(StringType()),
        schemas.embeddings_table(StringType(), "embeddings/w64"),
        schemas.quarantine_table(StringType()),
        schemas.image_files_table(StringType()),
        schemas.neighbours_table(StringType()),
        schemas.duplicates_table(StringType()),
        schemas.found_table(StringType()),
        schemas.matches_table(StringType()),
        schemas.judgments_table(StringType()),
        schemas.codes_table(StringType()),
        schemas.code_moves_table(StringType()),
        schemas.neighbour_rows_table(StringType(), ()),
        schemas.neighbour_state_table(StringType(), "neighbours"),
        schemas.neighbour_background_table(StringType()),
    ]
    made += [value for value in vars(schemas).values() if isinstance(value, schemas.TableSpec)]
    return {spec.name.split("/")[0] for spec in made}


def test_each_name_that_a_lake_has_is_registered():
    registered = {artefact.name for artefact in ARTEFACTS}
    assert not (table_names() | _OF_GENERATIONS | _OF_LAKES) - registered
    assert len(registered) == len(ARTEFACTS)
    # Whoever adds a function that makes a TableSpec adds it to this test.
    makers = {name for name, value in vars(schemas).items() if name.endswith("_table") and callable(value)}
    assert len(makers) == 16


def test_what_stands_at_a_path():
    assert artefact_of("notes", [GENERATION_NAME]).scope == LAKE
    assert artefact_of(f"{GENERATION_NAME}/embeddings/w64", [GENERATION_NAME]).scope == GENERATION
    assert artefact_of(f"{GENERATION_NAME}/same_author", [GENERATION_NAME]) == RULE
    assert RULE.pinned == VERSION
    with pytest.raises(ValueError, match="opinions is not registered"):
        artefact_of("opinions", [GENERATION_NAME])
