"""The tables this project owns: one TableSpec each, the single source of column names, types and keys.

`note_id` is a string or a bigint, whichever the source has, so specs that hold one are functions of its type.
Columns stay nullable in Spark; that keys are present and unique is checked by the run that writes them.
"""

from __future__ import annotations

from uninote.lake.schemas.codes import CODEBOOKS, code_moves_table, codes_table
from uninote.lake.schemas.items import (
    CUTS,
    embeddings_table,
    image_files_table,
    items_table,
    quarantine_table,
    set_aside_table,
)
from uninote.lake.schemas.judgments import CONFIDENCE_MAPS, judgments_table, type_named
from uninote.lake.schemas.matching import GALLERY, GALLERY_FILES, MATCH_SCORES, MATCH_THRESHOLDS, matches_table
from uninote.lake.schemas.neighbours import (
    NEIGHBOUR_CELLS,
    NEIGHBOUR_LEADERS,
    duplicate_pairs,
    duplicates_table,
    found_table,
    neighbour_background_table,
    neighbour_rows_table,
    neighbour_state_table,
    neighbours_table,
)
from uninote.lake.schemas.notes import CONTENT, IMAGE_BYTES, IMAGE_DIGESTS, IMAGE_HASHES, IMAGE_TEXTS, notes_table
from uninote.lake.schemas.runs import RUNS
from uninote.lake.schemas.search import QUERY_BANKS
from uninote.lake.schemas.specs import VECTOR, TableSchemaError, TableSpec, struct_of

__all__ = [
    "CODEBOOKS",
    "CONFIDENCE_MAPS",
    "CONTENT",
    "CUTS",
    "GALLERY",
    "GALLERY_FILES",
    "IMAGE_BYTES",
    "IMAGE_DIGESTS",
    "IMAGE_HASHES",
    "IMAGE_TEXTS",
    "MATCH_SCORES",
    "MATCH_THRESHOLDS",
    "NEIGHBOUR_CELLS",
    "NEIGHBOUR_LEADERS",
    "QUERY_BANKS",
    "RUNS",
    "VECTOR",
    "TableSchemaError",
    "TableSpec",
    "code_moves_table",
    "codes_table",
    "duplicate_pairs",
    "duplicates_table",
    "embeddings_table",
    "found_table",
    "image_files_table",
    "items_table",
    "judgments_table",
    "matches_table",
    "neighbour_background_table",
    "neighbour_rows_table",
    "neighbour_state_table",
    "neighbours_table",
    "notes_table",
    "quarantine_table",
    "set_aside_table",
    "struct_of",
    "type_named",
]
