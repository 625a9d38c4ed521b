"""What the embed stage asks where vectors come from a table: which items changed, their vectors, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema

from udfs.embed.foreign_vectors import make_checked
from uninote.foreign_vectors.checks import Checks
from uninote.foreign_vectors.table import VectorTable
from uninote.pipelines.embed.foreign.accounting import account
from uninote.pipelines.embed.foreign.rows import hashed_items, hashes_schema, keyed_rows, vectors_of
from uninote.pipelines.embed.steps.model_run import STAGED, Tasks, model_tasks, staged_schema
from uninote.pipelines.lake.encoders import check_widths
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import watched


@dataclass(frozen=True)
class ForeignVectors:
    """What a table of vectors makes of the notes, null where a model makes it, and how its rows were counted.

    `rows`, persisted, is what `hashed` is made from.
    """

    hashed: DataFrame | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    rows: DataFrame | None = None

    def release(self) -> None:
        """Forget the rows: Spark would take them for those of a later plan over the same files, whatever these hold then."""
        if self.rows is not None:
            self.rows.unpersist()


def read_vectors(run: Run, notes: DataFrame, scope: DataFrame | None) -> ForeignVectors:
    """Return the items of the table of vectors, its rows counted and those of no note set aside.

    `notes` are all of them. Where neither they nor the table changed, `scope` is empty, and nothing is read.
    """
    table = run.vector_table
    if table is None:
        return ForeignVectors()
    if scope is not None:
        return ForeignVectors(run.spark.createDataFrame([], hashes_schema(run)))
    # Keys and hashes alone: read once, and asked twice.
    rows = keyed_rows(run, table).persist()
    return ForeignVectors(hashed_items(run, notes, rows), account(run, table, rows, notes), rows)


@contextmanager
def tasks_of(run: Run) -> Iterator[Tasks | ForeignTasks]:
    """Yield what gives vectors to items: the configured model, or the table of vectors."""
    if run.vector_table is not None:
        yield ForeignTasks(run, run.vector_table)
        return
    with model_tasks(run) as tasks:
        yield tasks


@dataclass(frozen=True)
class ForeignTasks:
    """Checks of foreign vectors in the place of a model; `stage` is what that of `Tasks` is."""

    run: Run
    table: VectorTable

    def with_content(self, notes: DataFrame, keyed: DataFrame) -> DataFrame:
        """Add what the table has of each item, whatever its note says."""
        return vectors_of(self.run, self.table, keyed)

    def stage(self, items: DataFrame, rows: int, label: str) -> DataFrame:
        """Check the vectors of `items`, store what came of each, and return that."""
        run = self.run
        schema = staged_schema(run)
        if rows == 0:
            return run.spark.createDataFrame([], schema)
        uri = run.staging(STAGED)
        narrowest = check_widths(run.model, run.config.embed)[-1]
        checks = Checks(run.model.full_width, self.table.settings.normalise, narrowest)
        with watched(run.spark.sparkContext, label, rows) as done:
            said = items.mapInArrow(make_checked(checks, done.add, to_arrow_schema(schema)), schema)
            said.write.mode("overwrite").parquet(uri)
        return run.spark.read.schema(schema).parquet(uri)
