"""The tables of the demo corpus (words, topics, shapes): JSON files of this package, checked as they are read."""

from __future__ import annotations

from importlib.resources import files
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter

Table = TypeVar("Table")
# A key that no field has is a typing mistake in the data file, so it is refused.
NO_OTHER_KEYS = ConfigDict(extra="forbid")


def read_data(name: str, shape: TypeAdapter[Table]) -> Table:
    """Read data/`name`.json as a value of type `shape`.

    Raises pydantic.ValidationError, a ValueError, which names the place in the file that has another type.
    """
    return shape.validate_json((files("uninote.demo") / "data" / f"{name}.json").read_bytes())
