"""Names in a lake that are ours: no table of a user's may take one, or it would stand in the place of one of ours."""

from __future__ import annotations

CODES = "codes"  # the table of notes' codes
NEIGHBOURS = "neighbours"  # the table without rules, in every lake

# Tables and folders below a generation, and below the lake; tests compare them with schemas.py.
_OF_GENERATIONS = {"items", "embeddings", "set_aside", "index", NEIGHBOURS, "duplicates", "staging"}
_OF_GENERATIONS |= {"gallery", "match_thresholds", "match_scores", "confidence_maps", "query_banks"}
_OF_GENERATIONS |= {CODES, "codebooks", "code_moves"}
_OF_GENERATIONS |= {"neighbour_state", "neighbour_rows", "neighbour_cells", "neighbour_leaders", "neighbour_background"}
_OF_LAKES = {
    "notes",
    "axes",
    "runs",
    "quarantine",
    "image_bytes",
    "image_files",
    "image_digests",
    "image_texts",
    "image_hashes",
    "training",
    "evaluations",
    "report",
    "map",
    "found",
    "matches",
    "gallery_files",
    "judgments",
    "lake",
}
# What is planned: a table that a user names so today would have to move tomorrow.
_PLANNED = {"releases", "leases", "takedown", "takedowns"}
_PLANNED |= {"canaries", "gates", "neighbour_changes", "templates", "segments", "manifest"}
RESERVED = frozenset(_OF_GENERATIONS | _OF_LAKES | _PLANNED)


def is_of_lake(name: str) -> bool:
    """Say whether the table `name`, one of ours, lies at a lake's root, and not below a generation."""
    return name.split("/", 1)[0] in _OF_LAKES


def is_reserved(name: str) -> bool:
    """Say whether `name`, whatever its case, is one of ours or lies below one of ours."""
    first = name.casefold().split("/", 1)[0]
    return first in RESERVED or first.startswith(("_", "."))
