"""What was judged of neighbour tables, and how good maps to confidences are: of each table and source."""

from __future__ import annotations

from uninote.confidence.fitting import FitError, measure
from uninote.judgments.gathering import ListTables, gather
from uninote.judgments.stored import read_judgments
from uninote.lake.schemas import neighbour_background_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.report.figures import LEAST_JUDGED, Judged


def judged_tables(run: Run) -> tuple[Judged, ...]:
    """Return what was judged of the lists as they are now; nothing where nobody judged any."""
    rows = read_judgments(run.lake.root).to_pylist()
    lists = _lists(run)
    found = []
    for table, source in sorted({(row["table"], row["source"]) for row in rows}):
        try:
            pairs = gather(lists, table, source).pairs
        except FitError:
            # Of a table that there is no more, or whose lists have no strengths.
            continue
        is_enough = len(pairs) >= LEAST_JUDGED and pairs.has_both and not pairs.is_of_one_note
        found.append(Judged(table, source, len(pairs), measure(pairs) if is_enough else None))
    return tuple(found)


def _lists(run: Run) -> ListTables:
    names = [f"neighbour_state/{name}" for name in run.config.neighbours.rules]
    names.append(neighbour_background_table(run.note_id).name)
    places = {name: run.generation.uri(name) for name in names}
    there = {name: (uri, tables.table_version(uri)) for name, uri in places.items() if tables.has_table(uri)}
    return ListTables(run.lake.root, run.model.generation, there, run.config.neighbours.k)
