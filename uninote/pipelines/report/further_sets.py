"""What came of the further sets of vectors that neighbour tables are made of, as the ledger has it."""

from __future__ import annotations

from uninote.lake.reserved import NEIGHBOURS
from uninote.pipelines.lake.run import Run, last_entry
from uninote.pipelines.neighbours.recall import Recalls
from uninote.report.figures import FurtherTable


def further_tables(run: Run) -> tuple[FurtherTable, ...]:
    """Return the tables of each further set whose stages ran, by its name and theirs."""
    found = []
    for name, one in run.embeddings.items():
        embedded, joined = last_entry(one, "embed", "all"), last_entry(one, "neighbours", "all")
        if embedded is not None and joined is not None:
            recalls = Recalls.of(joined["metrics"])
            counts = embedded["counts"]
            for table in sorted(set(one.config.neighbours.rules) - {NEIGHBOURS}):
                recall = recalls.by_rule.get(table, recalls.lists)
                found.append(FurtherTable(table, name, joined["counts"]["notes"], counts["quarantined"], recall))
    return tuple(found)
