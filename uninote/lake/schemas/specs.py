"""What a table is: its name, its columns and their types, and the key of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap

from pyspark.sql.types import ArrayType, DataType, FloatType, LongType, MapType, StringType, StructField, StructType

from uninote.errors import UninoteError

VECTOR = ArrayType(FloatType(), containsNull=False)
COUNTS = MapType(StringType(), LongType())


class TableSchemaError(UninoteError):
    """A frame does not have the columns its TableSpec asks for."""


@dataclass(frozen=True)
class TableSpec:
    """A table: its name within the lake or generation, its columns, and the columns that identify a row.

    `feed`: Delta keeps what changed from version to version, for whoever follows.
    """

    name: str
    schema: StructType
    key: tuple[str, ...]
    feed: bool = False

    @property
    def columns(self) -> list[str]:
        """Column names in schema order."""
        return self.schema.fieldNames()

    def check(self, found: StructType) -> None:
        """Raise TableSchemaError unless `found` has these columns and types, in any order, nullability apart."""
        wanted = _types_of(self.schema)
        got = _types_of(found)
        missing = []
        mistyped = []
        for name, kind in wanted.items():
            if name not in got:
                missing.append(f"  missing:    {name} {kind}")
            elif got[name] != kind:
                mistyped.append(f"  mistyped:   {name} is {got[name]}, must be {kind}")
        unexpected = [f"  unexpected: {name} {kind}" for name, kind in got.items() if name not in wanted]
        problems = [*missing, *unexpected, *mistyped]
        if problems:
            raise TableSchemaError(f"the columns do not fit table {self.name!r}:\n" + "\n".join(problems))


def _types_of(schema: StructType) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in schema}


def struct_of(**columns: DataType) -> StructType:
    """Return the type of these columns, in this order."""
    return StructType(list(starmap(StructField, columns.items())))
