"""A table of foreign vectors as the driver sees it before a row is read: its files, its version, its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from uninote.config.sections.vectors import VectorsConfig
from uninote.digests import digest
from uninote.errors import ConfigError, UninoteError
from uninote.notes.ingest.formats.files import SourceFile, is_local, list_files
from uninote.notes.ingest.formats.parquet_files import Footer, Groups, pieces_of, read_footer, read_groups
from uninote.storage import files as storage
from uninote.storage.local import local_path
from uninote.storage.types import S3Options

SUFFIX = ".parquet"
KEY = "embed.vectors_from"
LOOKED_AT = 1000  # rows, of which the commonest length is the width of a new generation


class ForeignVectorsError(UninoteError):
    """A table of vectors that cannot be used."""


@dataclass(frozen=True)
class VectorTable:
    """A table of vectors, pinned. `version` is that of a Delta table, null for Parquet; `footers` are of its files.

    Of a Delta table these are the files of the pinned version, whatever rows of them are deleted.
    """

    settings: VectorsConfig
    s3: S3Options
    version: int | None
    state: str
    footers: Sequence[Footer]

    @property
    def uri(self) -> str:
        """Where the table is."""
        return self.settings.table

    @property
    def is_delta(self) -> bool:
        """Whether Spark reads the table, by its log."""
        return self.version is not None

    @property
    def num_rows(self) -> int:
        """How many rows the files hold by their footers."""
        return sum(sum(footer.group_rows) for footer in self.footers)

    @cached_property
    def pieces(self) -> list[Groups]:
        """What tasks read, of Parquet."""
        return list(chain.from_iterable(map(pieces_of, self.footers)))

    def find_width(self) -> int:
        """Return the commonest length among the first vectors. Raises ForeignVectorsError where there is none."""
        lengths: Counter[int] = Counter()
        for batch in islice(self._batches(), LOOKED_AT):
            lengths.update(filter(None, pc.list_value_length(batch.column(0)).to_pylist()))
            if lengths.total() >= LOOKED_AT:
                break
        if not lengths:
            raise ForeignVectorsError(
                f"{KEY}.table {self.uri} has no vector in its column {self.settings.vector!r}; write the vectors first, or "
                f"name their column: --set {KEY}.vector=<column>"
            )
        return lengths.most_common(1)[0][0]

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for piece in self.pieces:
            for batch in read_groups(piece, [self.settings.vector], self.s3):
                if batch.num_rows:
                    yield batch


def open_table(settings: VectorsConfig, s3: S3Options) -> VectorTable:
    """Return the table as it is now. Raises ForeignVectorsError where none can be read, ConfigError for wrong columns."""
    version = _delta_version(settings.table, s3)
    if version is None:
        files = _parquet_files(settings.table, s3)
        versions = []
        for file in files:
            versions.append((file.uri, file.size, storage.stat(file.uri, s3).version))
        state = digest(versions)
    else:
        table = deltalake.DeltaTable(settings.table, version=version)
        files = [SourceFile(uri, 0) for uri in sorted(table.file_uris())]
        state = digest(str(table.metadata().id), version)
    footers = [read_footer(file, s3) for file in files]
    found = VectorTable(settings, s3, version, state, footers)
    for footer in footers:
        _check_columns(found, footer)
    return found


def _delta_version(uri: str, s3: S3Options) -> int | None:
    if is_local(uri):
        if not (local_path(uri) / "_delta_log").is_dir():
            return None
    elif uri.lower().endswith(SUFFIX) or not storage.list_files(f"{uri.rstrip('/')}/_delta_log", s3):
        return None
    try:
        return int(deltalake.DeltaTable(uri).version())
    except (DeltaError, OSError) as error:
        first = str(error).splitlines()[0]
        raise ForeignVectorsError(f"{KEY}.table {uri} cannot be read as a Delta table: {first}") from error


def _parquet_files(uri: str, s3: S3Options) -> list[SourceFile]:
    if is_local(uri) and not local_path(uri).exists():
        raise ForeignVectorsError(
            f"{KEY}.table {uri} does not exist; give a Parquet file, a folder of them, or a Delta table"
        )
    found, _ = list_files(uri, s3)
    files = [file for file in found if file.uri.lower().endswith(SUFFIX)]
    if not files:
        raise ForeignVectorsError(
            f"{KEY}.table {uri} holds no *{SUFFIX} and no _delta_log; vectors come as Parquet or as a Delta table"
        )
    return files


def _check_columns(table: VectorTable, footer: Footer) -> None:
    """Raise ConfigError unless a file has the key and the vectors, as types that can be one."""
    names = [*footer.schema.names, *dict(footer.file.partition)]
    settings = table.settings
    for option, name in (("key", settings.key), ("vector", settings.vector)):
        # Columns of a Delta table may be in its folders' names, which its log alone tells.
        if name not in names and not (table.is_delta and option == "key"):
            raise ConfigError(
                f"{KEY}.{option}: {footer.file.uri} has no column {name!r}; it has {', '.join(names)}. Name the right one: "
                f"--set {KEY}.{option}=<column>"
            )
    kind = footer.schema.field(settings.vector).type
    if not is_vector(kind):
        raise ConfigError(
            f"{KEY}.vector: the column {settings.vector!r} of {footer.file.uri} is {kind}; it must be a list of numbers"
        )


def is_vector(kind: pa.DataType) -> bool:
    """Say whether values of an Arrow type are lists of numbers."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))
