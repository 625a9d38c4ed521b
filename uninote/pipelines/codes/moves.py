"""What became of ids when a codebook was replaced."""

from __future__ import annotations

import pyarrow.compute as pc
from pyspark.sql import functions as F

from uninote.codes.codebook import Codebook
from uninote.lake.delta_files import has_log
from uninote.lake.reserved import CODES
from uninote.lake.schemas import CODEBOOKS, code_moves_table
from uninote.lake.small_tables import read_batches
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run


def write_moves(run: Run, codebook: Codebook) -> None:
    """Write which id became which, from the codebook before to this one, unless that is there already."""
    before = _codebook_before(run, codebook)
    spec = code_moves_table(run.note_id)
    uri = run.generation.uri(spec.name)
    if before is None or codebook.version in _values(uri, "to_codebook"):
        return
    rows = tables.read_table(run.spark, run.generation.uri(CODES)).where("present")
    old = rows.where(F.col("codebook") == before).select(
        "note_id", F.col("codebook").alias("from_codebook"), F.col("id").alias("from_id")
    )
    new = rows.where(F.col("codebook") == codebook.version).select(
        "note_id", F.col("codebook").alias("to_codebook"), F.col("id").alias("to_id")
    )
    tables.append(old.join(new, "note_id").sort("note_id"), spec, uri)


def _codebook_before(run: Run, codebook: Codebook) -> int | None:
    """Return the codebook that notes were coded by before, null where this one is the first."""
    found = _values(run.generation.uri(CODEBOOKS.name), "version")
    return max((one for one in found if one < codebook.version), default=None)


def _values(uri: str, column: str) -> set[int]:
    found: set[int] = set()
    if has_log(uri):
        for batch in read_batches(uri, (column,)):
            found.update(pc.unique(batch[column]).to_pylist())
    return found
