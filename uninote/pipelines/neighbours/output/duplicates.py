"""The table `duplicates`, out of the files of pairs that a join or an update wrote: made by tasks, the driver sees no pair."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql.types import LongType, StructField, StructType

from udfs.neighbours.cells import vectors_as_bytes
from udfs.neighbours.duplicates import (
    CHAINS,
    GROUPS,
    MEMBERS,
    OPEN,
    GroupFolders,
    make_chains,
    make_compared,
    make_groups,
    make_with_chain,
    read_keyed,
)
from udfs.neighbours.files import PAIR_COLUMNS
from udfs.table_files import as_read, make_item_reader, make_reader
from uninote.lake.delta_files import columns_of, replace_files
from uninote.lake.parquet_files import DataFile
from uninote.lake.schemas import duplicate_pairs, duplicates_table
from uninote.pipelines.lake.reading.file_rows import FileRows
from uninote.pipelines.lake.reading.stored_vectors import with_bytes
from uninote.pipelines.neighbours.output.files import RECORD_FIELDS, WrittenFile, of_kind, scan_and_write
from uninote.pipelines.neighbours.planning.join import Join

TASK_PAIRS = 2_000_000  # that one task links: some 300 MB
_TASK_BYTES = 256 << 20  # of the vectors that one task compares, unless a single chain has more
_CHAIN = StructField("chain", LongType())


def publish_duplicates(join: Join, pairs: Sequence[DataFile], made_from: str) -> tuple[int, list[str]]:
    """Write which notes are duplicates of which; return how many are, and the files of GROUPS."""
    spec = duplicates_table(join.run.note_id)
    uri = join.run.generation.uri(spec.name)
    written = _group(join, pairs, GroupFolders(uri, f"{join.staging_uri}/duplicates")) if pairs else []
    members = of_kind(written, spec.name, MEMBERS)
    replace_files(uri, spec.schema.json(), members, made_from=made_from)
    paths = [file.path for file in of_kind(written, spec.name, GROUPS)]
    return sum(file.rows for file in members), paths


def is_of_earlier_release(join: Join) -> bool:
    """Say whether the table has groups as earlier releases made them: chains, and nothing else."""
    spec = duplicates_table(join.run.note_id)
    return columns_of(join.run.generation.uri(spec.name)) != spec.columns


def _group(join: Join, pairs: Sequence[DataFile], folders: GroupFolders) -> list[WrittenFile]:
    name = duplicates_table(join.run.note_id).name
    by_chain = _by_chain(join, name, pairs, folders).mapInArrow(make_groups(folders), RECORD_FIELDS)
    written = scan_and_write(join, name, by_chain)
    rest = of_kind(written, name, OPEN)
    return written + scan_and_write(join, name, _compared(join, rest, folders)) if rest else written


def _by_chain(join: Join, name: str, pairs: Sequence[DataFile], folders: GroupFolders) -> DataFrame:
    """Return all pairs, those of a chain in one partition: few in one, for which no chain has to be known."""
    rows = FileRows(join.run, pairs, make_reader(PAIR_COLUMNS))
    schema = duplicate_pairs(join.run.note_id)
    parts = -(-sum(file.rows for file in pairs) // TASK_PAIRS)
    if parts == 1:
        return rows.scan(as_read, schema, parts=1)
    linked = scan_and_write(join, name, rows.scan(make_chains(folders), RECORD_FIELDS, parts=1))
    paths = [file.path for file in of_kind(linked, name, CHAINS)]
    return rows.scan(make_with_chain(paths, as_read), StructType([*schema, _CHAIN])).repartition(parts, "chain")


def _compared(join: Join, files: Sequence[DataFile], folders: GroupFolders) -> DataFrame:
    """Return the records of groups that the vectors of the notes in `files` of OPEN tell; a chain is in one task whole."""
    paths = tuple(file.path for file in files)
    columns = join.vector_schema.names
    generation = join.run.model.generation
    read = make_item_reader(columns, join.vectors.kinds, generation, lambda: read_keyed(paths, "chain")[0])
    schema = StructType([*with_bytes(join.vector_schema), _CHAIN])
    rows = FileRows(join.run, join.vectors.files, read).scan(make_with_chain(paths, vectors_as_bytes), schema)
    parts = 1 + sum(file.rows for file in files) * 4 * join.width // _TASK_BYTES
    ordered = rows.repartition(parts, "chain").sortWithinPartitions("chain", "note_id")
    least_score = join.run.config.neighbours.duplicate_score
    return ordered.mapInArrow(make_compared(folders, join.width, least_score), RECORD_FIELDS)
