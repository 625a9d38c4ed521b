"""Into how many cells the rows of a join are cut, what the task of a cell holds, and what goes to it; arithmetic only."""

from __future__ import annotations

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.errors import ConfigError
from uninote.neighbours.by_rule.attributes import attributes_of
from uninote.neighbours.by_rule.diversity import MOST_CANDIDATES
from uninote.neighbours.kernel.settings import needed_bytes, settings_for

ROWS_PER_CENTROID = 256  # k-means gains nothing from more
MOST_OVERLAP = 6
_PROCESS_BYTES = 380 << 20  # Python with numpy, Arrow and the compiled kernel
_WRITING_BYTES = 160 << 20  # lists of a file on their way out, when those of the kernel are free again
_ROW_COPIES = 1.1  # of vectors: batches are freed while they are put together
_ROW_BYTES = 50  # key and note_id
_ATTRIBUTE_BYTES = 350  # of a row: a Python string, and the columns that it came in
_SMALLEST = 1000  # rows that a cell must be able to hold
# Rows of the heaviest cell over what is planned for one: cells up to 1.5 times the mean are not split, and a row may turn out
# to need four where three were assumed.
HEAVIEST = 2
_REPLICA_BYTES = 12  # of a row on its way to a cell, beside its vector and note_id: its key, and the cell
_ENTRY_BYTES = 12  # of an entry of a list on its way to the merge, beside its note_id: key and score


def overlap_planned(settings: NeighboursConfig) -> int:
    """Return in how many cells a row is taken to be before a sample has said it."""
    return settings.overlap or MOST_OVERLAP // 2


def cells_planned(settings: NeighboursConfig, rows: int, width: int) -> int:
    """Return the number of cells: 1 while a task holds all rows, else as many as fit. Raises ConfigError."""
    most = capacity(settings, width)
    overlap = overlap_planned(settings)
    if rows <= most and (settings.cell_rows is None or rows <= settings.cell_rows * overlap):
        return 1
    cell_rows = settings.cell_rows or max(1, most // (HEAVIEST * overlap))
    return -(-rows // cell_rows)


def shuffled_bytes(rows: int, overlap: int, width: int, length: int, id_bytes: int) -> int:
    """Return what a full join in cells shuffles, where stored lists have `length` entries; one cell shuffles nothing.

    Each row goes to `overlap` cells, 4 bytes a dimension with its cell, key and note_id, and comes back from each as a list,
    whose entries are key, score and note_id. Of 500,000 rows in eight cells 1.06 times as much was seen (docs/benchmarks.md).
    """
    replica = 4 * width + _REPLICA_BYTES + id_bytes
    return rows * overlap * (replica + length * (_ENTRY_BYTES + id_bytes))


def capacity(settings: NeighboursConfig, width: int) -> int:
    """Return how many rows a task can hold. Raises ConfigError when that is next to none."""
    room = (settings.task_mib << 20) - _PROCESS_BYTES
    rows = int(min(room / _row_bytes(settings, width), (room - _WRITING_BYTES) / (4 * width)))
    if rows < _SMALLEST:
        raise ConfigError(
            f"neighbours.task_mib is {settings.task_mib}; rows of width {width} need at least "
            f"{(task_bytes(settings, width, _SMALLEST) >> 20) + 1}"
        )
    return rows


def task_bytes(settings: NeighboursConfig, width: int, rows: int) -> int:
    """Return about what a task holds at its peak that joins so many rows: in the kernel, or while it writes lists."""
    return _PROCESS_BYTES + int(max(rows * _row_bytes(settings, width), rows * 4 * width + _WRITING_BYTES))


def _row_bytes(settings: NeighboursConfig, width: int) -> float:
    """Return what a row takes in the kernel, with its vector and attributes; of real tasks, see docs/benchmarks.md."""
    probe = 1_000_000
    # How many candidates fill diverse lists is not known before the join: the most that there may be.
    is_diverse = any(rule.diverse is not None for rule in settings.rules.values())
    k = max(settings.k, MOST_CANDIDATES) if is_diverse else settings.k
    search = settings_for(probe, k, settings.recall_target, -(-(settings.k + settings.slack) * k // settings.k))
    kernel = needed_bytes(probe, width, k, search) / probe
    attributes = len(attributes_of(settings.rules.values())) * _ATTRIBUTE_BYTES
    # Rows that must agree in an attribute are joined group by group, of a copy of their vectors.
    copies = _ROW_COPIES + any(rule.same for rule in settings.rules.values())
    return kernel + width * 4 * copies + attributes + _ROW_BYTES
