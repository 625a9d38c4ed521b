"""Whether ids identify notes."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.errors import UninoteError
from uninote.pipelines.lake import ledger
from uninote.pipelines.lake.run import Run

EXAMPLES = 5


class NoteIdError(UninoteError):
    """The ids of a source do not identify its notes."""


def were_checked(run: Run, version: int) -> bool:
    """Say whether the last ingest left this version of the notes: it counted them, which takes a shuffle of all ids."""
    last = ledger.last_of(run.lake, "ingest", "all")
    return last is not None and last["outputs"].get("notes") == version


def check_note_ids(notes: DataFrame) -> int:
    """Return the number of notes. Raises NoteIdError when a note_id is null or stands for more than one."""
    # One pass gives the number of notes and of wrong ids; examples are looked up only where there are any.
    by_id = notes.groupBy("note_id").count()
    is_wrong = (F.col("count") > 1) | F.col("note_id").isNull()
    rows, wrong = by_id.agg(F.coalesce(F.sum("count"), F.lit(0)), F.count_if(is_wrong)).collect()[0]
    if wrong:
        worst = by_id.where(is_wrong).orderBy(F.desc("count"), "note_id").limit(EXAMPLES).collect()
        examples = ", ".join(f"{row['note_id']} ({row['count']} times)" for row in worst)
        raise NoteIdError(
            f"note_id must identify a note, but {wrong:,} repeat or are null: {examples}. Nothing was written. Mend the "
            f"source, or choose another column with --set ingest.columns.note_id=<column>"
        )
    return int(rows)
