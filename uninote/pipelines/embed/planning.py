"""What a run of embed is to do: the notes that may have changed, compared with what is stored."""

from __future__ import annotations

from pyspark.sql import functions as F

from uninote.lake.delta_files import rows_in_log
from uninote.pipelines.embed.foreign.work import read_vectors
from uninote.pipelines.embed.small_changes import census_of, find_small_work
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.accounting import Frames, Plan, count_set_aside
from uninote.pipelines.embed.steps.chunks import take_first_census
from uninote.pipelines.embed.steps.recovery import Before
from uninote.pipelines.embed.steps.scope import find_scope, has_nothing_to_look_at, settings_digest, within
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.image_texts import with_read_texts
from uninote.pipelines.notes.note_ids import check_note_ids, were_checked


def make_plan(run: Run, version: int, widths: tuple[int, ...], before: Before) -> Plan:
    """Compare the notes, as of `version`, with what `before` left.

    Nothing is written, but to the quarantine where the rows of a table of vectors are of no note.
    """
    again = not before.has(widths[0])
    since = before.notes_version if before.settings == settings_digest(run) and not again else None
    in_log = rows_in_log(run.lake.uri("notes"), version)
    if in_log is not None:
        is_nothing = before.has_all(widths) and has_nothing_to_look_at(run, since, version)
        small = [] if is_nothing else find_small_work(run, since, version, before, widths)
        if small is not None:
            return Plan(run, small, in_log, census_of(small), widths, before, count_set_aside(run))
    notes = tables.read_table(run.spark, run.lake.uri("notes"), version)
    notes_in = notes.count() if in_log is None else in_log
    scope = find_scope(run, notes, since, version) if since is not None else None
    vectors = read_vectors(run, notes, scope)
    notes = within(notes, scope)
    if run.vector_table is None:
        notes = with_read_texts(run, notes)
    if not were_checked(run, version):
        check_note_ids(notes)
    looked = changes.find_changes(run, notes, scope, widths[0] if again else None, vectors.hashed)
    is_work = ~F.col("change").isin(*changes.SETTLED)
    looked = looked.where(is_work | F.col("files").isNotNull() | (F.col("opened") > 0)).persist()
    census = take_first_census(looked)
    vectors.release()
    found = looked.where(is_work).drop("files", "recorded", "opened", "reason")
    set_aside = count_set_aside(run)
    return Plan(run, Frames(notes, looked, found), notes_in, census, widths, before, set_aside, vectors.counts)
