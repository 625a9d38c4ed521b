"""Whether ids identify notes."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.errors import UninoteError

EXAMPLES = 5


class NoteIdError(UninoteError):
    """The ids of a source do not identify its notes."""


def check_note_ids(notes: DataFrame) -> int:
    """Return the number of notes. Raises NoteIdError when a note_id is null or stands for more than one."""
    by_id = notes.groupBy("note_id").count()
    wrong = by_id.where("count > 1 OR note_id IS NULL").orderBy(F.desc("count"), "note_id")
    examples = [f"{row['note_id']} ({row['count']} times)" for row in wrong.limit(EXAMPLES).collect()]
    if examples:
        raise NoteIdError(
            f"note_id must identify a note, but {wrong.count():,} repeat or are null: {', '.join(examples)}. Nothing was "
            f"written. Mend the source, or choose another column with --set ingest.columns.note_id=<column>"
        )
    return notes.count()
