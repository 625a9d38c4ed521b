"""Settings of releases: what a refresh must find before readers see its work, and how long what was before is kept."""

from __future__ import annotations

from pydantic import Field

from uninote.config.sections.base import Section


class RefreshConfig(Section):
    """`force` lets a release go live although a gate failed, which is recorded with it.

    After `max_hours`, null: never, a refresh begins no further stage, and embed no further chunk; readers keep the release that
    they have.
    """

    force: bool = False
    max_hours: float | None = Field(None, gt=0)


class GatesConfig(Section):
    """What a release must reach; docs/releases.md says why each limit is what it is.

    `neighbour_recall`, `index_recall`: least recall at K of each table and each index, on a sample. `short_lists`: largest
    share of notes with less than half of the K neighbours that there could be. `lost_neighbours`: largest share of the live
    release's list entries, between notes that are still there, that are gone; `lost_neighbours_new_model` where the live
    release is of another model. `hub_share`: largest share of lists that one note may stand in. `set_aside`: largest share
    of notes without a vector. `more_cut`: by how much the share of notes that the model sees only in part may have grown
    since the live release. `canary_cosine`: least mean cosine of vectors made again to those stored. `sample`: how many
    lists are looked at.
    """

    neighbour_recall: float = Field(0.95, ge=0, le=1)
    index_recall: float = Field(0.90, ge=0, le=1)
    short_lists: float = Field(0.02, ge=0, le=1)
    lost_neighbours: float = Field(0.30, ge=0, le=1)
    lost_neighbours_new_model: float = Field(0.98, ge=0, le=1)
    hub_share: float = Field(0.05, ge=0, le=1)
    set_aside: float = Field(0.05, ge=0, le=1)
    more_cut: float = Field(0.05, ge=0, le=1)
    canary_cosine: float = Field(0.999, ge=-1, le=1)
    sample: int = Field(2000, ge=100)


class CompactionConfig(Section):
    """When small files of a table are joined; docs/tables.md says why these are the defaults.

    `files`: so many, each smaller than `small_mib`, must lie in one range of the table. `most_mib`: as many bytes of a table
    are read for it in one run, and at least one range.
    """

    files: int = Field(16, ge=2)
    small_mib: int = Field(4, ge=1)
    most_mib: int = Field(1024, ge=1)


class RetentionConfig(Section):
    """What is kept: the last `releases` that were live, pinned ones, and those that were live within `reader_hours`."""

    releases: int = Field(3, ge=2)
    reader_hours: float = Field(24.0, ge=0)
