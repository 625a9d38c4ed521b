"""Settings of vectors that somebody made elsewhere."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from uninote.config.sections.base import Location, Section, Width

Name = Annotated[str, Field(min_length=1)]


class VectorsConfig(Section):
    """A table of vectors that stands in the place of a model (docs/encoders.md).

    `table` is a Parquet file, a folder of them, or a Delta table; `key` its column with ids of notes, `vector` the one with
    lists of numbers. `model` names what made them: with the name of the vector column it is the generation, so that
    another model needs another name. `widths` are narrower ones that the model was trained for. With `normalise` vectors of
    any length are brought to length 1; without it those of another length are set aside.
    """

    table: Location
    model: Name
    key: Name = "note_id"
    vector: Name = "vector"
    widths: tuple[Width, ...] = Field((), strict=False)
    normalise: bool = True


class EmbeddingConfig(VectorsConfig):
    """A further set of vectors of the same notes, beside those of the lake's model, that neighbour tables are made of.

    It has a generation of its own. Notes that it has no vector of have no list in those tables.
    """
