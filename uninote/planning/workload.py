"""What is to be done, and on what: the notes and how they change, the machines, and their prices."""

from __future__ import annotations

from dataclasses import dataclass, field

from uninote.config.sections.codes import CodesConfig
from uninote.config.sections.index import IndexConfig
from uninote.config.sections.model import EmbedConfig
from uninote.config.sections.neighbours import NeighboursConfig
from uninote.config.sections.sources import MediaConfig


@dataclass(frozen=True)
class Workload:
    """The notes. `change_rate` is the share of them that a night finds new, edited or deleted.

    `widths` are those that are stored, widest first. `note_bytes` are those of a note's text and attributes, `id_bytes` those
    of a note_id (8 where it is a bigint). `tokens` are those of an item as the model reads it, its images among them.
    `gallery_entries` are samples that notes are matched with.
    """

    notes: int
    change_rate: float
    widths: tuple[int, ...]
    note_bytes: int = 1000
    id_bytes: int = 16
    images_per_note: float = 0.0
    tokens: int = 200
    gallery_entries: int = 0

    @property
    def changed(self) -> int:
        """Notes that a night finds changed."""
        return round(self.notes * self.change_rate)


@dataclass(frozen=True)
class Settings:
    """The sections of a configuration that a plan depends on."""

    embed: EmbedConfig = field(default_factory=EmbedConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    codes: CodesConfig = field(default_factory=CodesConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    neighbours: NeighboursConfig = field(default_factory=NeighboursConfig)

    def joined_width(self, workload: Workload) -> int:
        """Return the width that notes are joined at."""
        return self.neighbours.width or workload.widths[0]

    def indexed_widths(self, workload: Workload) -> tuple[int, ...]:
        """Return the widths that get an index."""
        return self.index.widths or workload.widths


@dataclass(frozen=True)
class Machines:
    """All cores and GPUs together, and what an hour of one costs. `storage_price` is for a month of 10⁹ bytes.

    Without GPUs the model computes on the cores. `bandwidth` is a core's share of its host's network and of the store, in
    10⁶ bytes a second.
    """

    cores: int
    gpus: int = 0
    core_price: float = 0.05
    gpu_price: float = 3.0
    storage_price: float = 0.023
    bandwidth: float = 50.0
