"""Every table and artefact of a lake: how a release pins it, how what nobody needs of it is removed, how a note is erased.

Whoever adds a table or a folder to a lake adds it here: a test compares the list with the schemas and the reserved names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uninote.lake.reserved import NEIGHBOURS

LAKE = "lake"
GENERATION = "generation"
# How a release pins it.
VERSION = "version"  # by the version of a Delta table
MANIFEST = "manifest"  # by the name of an index's manifest
UNPINNED = "unpinned"  # not at all: it is no part of what readers see together
# How what nobody needs of it is removed.
VACUUM = "vacuum"  # files that no kept version needs
UNNAMED = "unnamed"  # files that no kept manifest names
TRIMMED = "trimmed"  # by whoever adds to it
KEPT = "kept"  # never
# How a note is erased from it.
ROWS = "rows"  # rows that name the note go, then the versions that held them
LISTS = "lists"  # made anew by the stage that makes it, without the note
FILES = "files"  # the files that hold it go
NOTHING = "nothing"  # it holds no note's id, key or text


@dataclass(frozen=True)
class Artefact:
    """A table or folder: its first name below the `scope`, and the three ways."""

    name: str
    scope: str
    pinned: str
    removed: str
    erased: str


ARTEFACTS = (
    Artefact("notes", LAKE, VERSION, VACUUM, ROWS),
    Artefact("image_bytes", LAKE, VERSION, VACUUM, ROWS),
    Artefact("image_files", LAKE, VERSION, VACUUM, ROWS),
    Artefact("image_digests", LAKE, VERSION, VACUUM, ROWS),
    Artefact("image_texts", LAKE, VERSION, VACUUM, ROWS),
    Artefact("image_hashes", LAKE, VERSION, VACUUM, ROWS),
    Artefact("quarantine", LAKE, UNPINNED, VACUUM, ROWS),
    Artefact("runs", LAKE, UNPINNED, VACUUM, NOTHING),
    Artefact("axes", LAKE, UNPINNED, KEPT, NOTHING),
    Artefact("leases", LAKE, UNPINNED, TRIMMED, NOTHING),
    Artefact("releases", LAKE, UNPINNED, TRIMMED, NOTHING),
    Artefact("takedowns", LAKE, UNPINNED, KEPT, NOTHING),
    Artefact("training", LAKE, UNPINNED, KEPT, FILES),
    Artefact("evaluations", LAKE, UNPINNED, KEPT, NOTHING),
    Artefact("report", LAKE, UNPINNED, TRIMMED, FILES),
    Artefact("map", LAKE, UNPINNED, TRIMMED, FILES),
    Artefact("found", LAKE, UNPINNED, KEPT, FILES),
    Artefact("matches", LAKE, VERSION, VACUUM, ROWS),
    Artefact("gallery_files", LAKE, UNPINNED, VACUUM, NOTHING),
    Artefact("judgments", LAKE, UNPINNED, VACUUM, ROWS),
    Artefact("lake", LAKE, UNPINNED, KEPT, NOTHING),
    Artefact("staging", GENERATION, UNPINNED, TRIMMED, FILES),
    Artefact("items", GENERATION, VERSION, VACUUM, ROWS),
    Artefact("set_aside", GENERATION, VERSION, VACUUM, ROWS),
    Artefact("embeddings", GENERATION, VERSION, VACUUM, ROWS),
    Artefact("index", GENERATION, MANIFEST, UNNAMED, LISTS),
    Artefact("gallery", GENERATION, VERSION, VACUUM, ROWS),
    Artefact("match_thresholds", GENERATION, VERSION, VACUUM, NOTHING),
    Artefact("match_scores", GENERATION, UNPINNED, VACUUM, NOTHING),
    Artefact("confidence_maps", GENERATION, VERSION, VACUUM, NOTHING),
    Artefact("query_banks", GENERATION, UNPINNED, VACUUM, NOTHING),
    Artefact("codes", GENERATION, VERSION, VACUUM, ROWS),
    Artefact("codebooks", GENERATION, VERSION, VACUUM, NOTHING),
    Artefact("code_moves", GENERATION, VERSION, VACUUM, ROWS),
    Artefact(NEIGHBOURS, GENERATION, VERSION, VACUUM, LISTS),
    Artefact("duplicates", GENERATION, VERSION, VACUUM, LISTS),
    Artefact("neighbour_state", GENERATION, VERSION, VACUUM, LISTS),
    Artefact("neighbour_rows", GENERATION, VERSION, VACUUM, LISTS),
    Artefact("neighbour_cells", GENERATION, VERSION, VACUUM, LISTS),
    Artefact("neighbour_leaders", GENERATION, VERSION, VACUUM, LISTS),
    Artefact("neighbour_background", GENERATION, VERSION, VACUUM, LISTS),
)
RULE = Artefact("", GENERATION, VERSION, VACUUM, LISTS)  # a neighbour table of the user's own name


def artefact_of(path: str, generations: Sequence[str]) -> Artefact:
    """Return what is registered for a table at `path`, relative to the lake; below a generation any other name is a rule's."""
    first, _, rest = path.partition("/")
    scope = GENERATION if first in generations else LAKE
    name = rest.partition("/")[0] if scope == GENERATION else first
    for artefact in ARTEFACTS:
        if (artefact.scope, artefact.name) == (scope, name):
            return artefact
    if scope == GENERATION:
        return RULE
    raise ValueError(
        f"{path} is not registered in uninote/lake/releases/registry.py: nobody would pin, clean up or erase it"
    )


def pinned_by(pinned: str) -> Iterator[Artefact]:
    """Yield what releases pin in this way."""
    for artefact in ARTEFACTS:
        if artefact.pinned == pinned:
            yield artefact
