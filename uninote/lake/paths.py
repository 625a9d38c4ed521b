"""Where everything lies under the one root of a lake. Nothing stored in a lake holds the lake's own path."""

from __future__ import annotations

from dataclasses import dataclass

STAGING = "staging"  # the folder, below a lake and below a generation
RUN_PREFIX = "write-"  # of the folders there of runs that have the lease
CHUNK = "chunk "  # before its number: the unit of a chunk in the ledger


@dataclass(frozen=True)
class Lake:
    """Names of tables, as summaries print them, and their URIs under `root` (a local path or a URI)."""

    root: str

    def uri(self, name: str) -> str:
        """Return the URI of the table or artefact `name`, e.g. "notes"."""
        return f"{self.root.rstrip('/')}/{name}"


@dataclass(frozen=True)
class GenerationLake:
    """The part of a lake that belongs to one encoder identity; vectors of two generations never meet."""

    lake: Lake
    generation: str

    def uri(self, name: str) -> str:
        """Return the URI of `name` within the generation, e.g. "items" or "embeddings/w64"."""
        return self.lake.uri(f"{self.generation}/{name}")


def staging_name(run_id: str, name: str) -> str:
    """Return the name of a folder for what a run that writes holds for itself.

    Each run has its own: tasks of one that lost its lease may still write there.
    """
    return f"{STAGING}/{RUN_PREFIX}{run_id}/{name}"


def embeddings_name(width: int) -> str:
    """Return the name of the table that holds the vectors of one width."""
    return f"embeddings/w{width}"


def index_name(width: int) -> str:
    """Return the name of the folder that holds the index of one width."""
    return f"index/w{width}"
