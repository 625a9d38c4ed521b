"""Bytes of the tables, of one version of each, and which share of a table's files a night writes again."""

from __future__ import annotations

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.planning.rates import Rates
from uninote.planning.workload import Workload

# Of a row of embeddings beside its vector: key, item_id, note_id, kind, content_hash and generation, as Parquet has them.
_EMBEDDING_ROW_BYTES = 51
_SCORE_BYTES = 4
_KEY_BYTES = 8
_LEAF_BYTES = 16  # of a row of a cell: its leaves, two in each of two assignments, as int32


def notes_bytes(workload: Workload, rates: Rates) -> int:
    """Return the bytes of `notes`."""
    return round(workload.notes * rates["storage.note"])


def items_bytes(workload: Workload, rates: Rates) -> int:
    """Return the bytes of `items`."""
    return round(workload.notes * rates["storage.item"])


def embeddings_bytes(workload: Workload) -> int:
    """Return the bytes of all `embeddings/w<N>`: float32, which does not compress."""
    return sum(width_bytes(workload, width) for width in workload.widths)


def width_bytes(workload: Workload, width: int) -> int:
    """Return the bytes of the embeddings of one width."""
    return workload.notes * (4 * width + _EMBEDDING_ROW_BYTES)


def list_bytes(workload: Workload, settings: NeighboursConfig) -> int:
    """Return the bytes of all lists at most: for readers K entries of note_id and score, and K + slack private ones with keys.

    Files in which ids repeat take about half of it (docs/planning.md).
    """
    read = settings.k * (workload.id_bytes + _SCORE_BYTES)
    private = (settings.k + settings.slack) * (workload.id_bytes + _SCORE_BYTES + _KEY_BYTES)
    return len(settings.rules) * workload.notes * (read + private)


def rows_bytes(workload: Workload, width: int) -> int:
    """Return the bytes of `neighbour_rows`: each row's vector, key, note_id and leaves, by its primary cell."""
    return workload.notes * (4 * width + workload.id_bytes + _KEY_BYTES + _LEAF_BYTES)


def rewritten_share(workload: Workload, rows_a_file: int) -> float:
    """Return the share of a table's files that hold a changed row, where changes fall on rows at random: 1 - (1 - c)^rows."""
    return float(1 - (1 - workload.change_rate) ** min(rows_a_file, max(1, workload.notes)))
