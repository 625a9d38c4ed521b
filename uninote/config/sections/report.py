"""Settings of the HTML report."""

from __future__ import annotations

from pydantic import Field

from uninote.config.sections.base import Section


class ReportConfig(Section):
    """What the HTML report shows: notes beside their neighbours, with pictures, and notes that its search box finds.

    `map`: beside it stands `map.html`, the tree of the notes' codes, where they have any.
    """

    example_notes: int = Field(10, ge=0)
    example_neighbours: int = Field(8, ge=1)
    browse_notes: int = Field(300, ge=0, le=2_000)
    map: bool = True
