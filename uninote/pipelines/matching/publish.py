"""The table `matches` brought up to what was found: a row opens, stays, or is closed; none goes."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.lake.schemas import GALLERY, matches_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.matching.scope import Scope

# Scores of the same vectors that were computed in blocks of other sizes differ by rounding.
SAME_SCORE = 1e-5
_PAIR = ("entry_id", "note_id")
_SAID = (
    "category",
    "entry_kind",
    "entry_position",
    "kind",
    "position",
    "content_hash",
    "decision",
    "threshold",
    "found_by",
)
NEW_GENERATION = "generation"


def publish(scope: Scope, best: DataFrame) -> dict[str, int]:
    """Commit what changed of the open matches in scope, `best` being all that there are now; returns counts.

    Doing it again changes nothing.
    """
    run = scope.run
    spec = matches_table(run.note_id)
    uri = run.lake.uri(spec.name)
    tables.create(run.spark, spec, uri)
    opened = scope.in_scope(tables.read_table(run.spark, uri).where("until_run IS NULL"))
    changes = _changes(scope, opened, best).persist()
    counts = _counted(changes)
    rows = counts["opened"] + counts["closed"]
    if rows:
        made = changes.select(*spec.columns, F.lit(False).alias(tables.DELETED))
        tables.apply_changes(made, spec, uri, rows=rows)
    changes.unpersist()
    return counts | _standing(run, uri)


def _changes(scope: Scope, opened: DataFrame, best: DataFrame) -> DataFrame:
    """Return rows of `matches` to write, with their `change`: closed ones, and those that open."""
    run = scope.run
    old = opened.select(*_PAIR, F.struct(*opened.columns).alias("old"))
    new = best.select(*_PAIR, F.struct(*best.columns).alias("new"))
    both = old.join(new, list(_PAIR), "full")
    differ = both.where(~F.coalesce(_is_same(run), F.lit(False)))
    closing = _closing(scope, differ.where("old IS NOT NULL"), opened.columns)
    opening = _opening(run, differ.where("new IS NOT NULL"))
    return closing.unionByName(opening)


def _is_same(run: Run) -> Column:
    said = F.lit(True)
    for name in _SAID:
        said = said & F.col(f"old.{name}").eqNullSafe(F.col(f"new.{name}"))
    near = F.abs(F.col("old.score") - F.col("new.score")) <= SAME_SCORE
    return said & near & (F.col("old.generation") == run.model.generation)


def _closing(scope: Scope, rows: DataFrame, columns: list[str]) -> DataFrame:
    """Return the old rows, closed, and why: the first that is true of what may have changed."""
    run = scope.run
    gallery = tables.read_table(run.spark, run.generation.uri(GALLERY.name), scope.gallery)
    entries = gallery.groupBy("entry_id").agg(F.max("enabled").alias("is_enabled"), F.lit(True).alias("is_there"))
    items = scope.vectors.snapshot.read("items").select("note_id").distinct().withColumn("note_there", F.lit(True))
    known = rows.join(F.broadcast(entries), "entry_id", "left").join(items, "note_id", "left")
    changed = _changed_note(scope, known)
    why = (
        F.when(F.col("old.generation") != run.model.generation, NEW_GENERATION)
        .when(F.col("is_there").isNull(), "entry_gone")
        .when(~F.col("is_enabled"), "entry_disabled")
        .when(F.col("note_there").isNull(), "note_gone")
        .when(F.col("is_changed"), "note_changed")
        .otherwise("entry_changed")
    )
    until = {"until_run": F.lit(run.run_id), "until_at": F.current_timestamp(), "closed_why": why}
    kept = [F.col(f"old.{name}").alias(name) for name in columns if name not in until]
    return changed.select(*kept, *(value.alias(name) for name, value in until.items()), F.lit("closed").alias("change"))


def _changed_note(scope: Scope, rows: DataFrame) -> DataFrame:
    """Add `is_changed`: whether the note did; where everything was compared, whether its item is another than it was."""
    if scope.notes is None:
        items = scope.vectors.snapshot.read("items").select(
            "note_id", F.col("kind").alias("item_kind"), F.col("content_hash").alias("item_hash")
        )
        same = items.groupBy("note_id").agg(F.collect_set("item_hash").alias("hashes"))
        joined = rows.join(same, "note_id", "left")
        is_there = F.array_contains("hashes", F.col("old.content_hash"))
        return joined.withColumn("is_changed", ~F.coalesce(is_there, F.lit(False))).drop("hashes")
    changed = F.broadcast(scope.notes.withColumn("is_changed", F.lit(True)))
    return rows.join(changed, "note_id", "left").withColumn("is_changed", F.coalesce("is_changed", F.lit(False)))


def _opening(run: Run, rows: DataFrame) -> DataFrame:
    """Return new rows; of a pair that was open its first run stays known, within a generation."""
    spec = matches_table(run.note_id)
    known = {name: F.col(f"new.{name}") for name in (*_PAIR, *_SAID, "score")}
    is_ours = F.col("old.generation") == run.model.generation
    first = F.when(is_ours, F.col("old.first_run")).otherwise(F.lit(run.run_id))
    known |= {
        "first_run": first,
        "from_run": F.lit(run.run_id),
        "from_at": F.current_timestamp(),
        "generation": F.lit(run.model.generation),
    }
    return rows.select(*tables.filled_columns(spec.schema.fields, known), F.lit("opened").alias("change"))


def _counted(changes: DataFrame) -> dict[str, int]:
    found = {row["change"]: row["count"] for row in changes.groupBy("change").count().collect()}
    return {name: int(found.get(name, 0)) for name in ("opened", "closed")}


def _standing(run: Run, uri: str) -> dict[str, int]:
    """Return how many matches are open, by decision."""
    opened = tables.read_table(run.spark, uri).where("until_run IS NULL")
    found = {row["decision"]: row["count"] for row in opened.groupBy("decision").count().collect()}
    return {f"matches_{name}": int(found.get(name, 0)) for name in ("act", "review")}
