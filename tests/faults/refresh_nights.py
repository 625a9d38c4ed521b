"""Three nights of whole refreshes, by the way of small nights and by Spark's, each made once, undisturbed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from builders import write_source
from refresh_points import DRIVER, FIRST, NIGHTS, THIRD
from scene import Scene, Undisturbed, make_notes, run_here
from watching import Watcher

from uninote.lake.takedowns.orders import add
from uninote.takedown.wanted import Wanted, stored_pieces, wanted_of

TAKEN = "6"
SETTINGS = (
    "serving.publish=true",
    "retention.releases=2",
    "retention.reader_hours=0",
    "index.kinds=[note]",
    "embed.kinds=[note]",
)
LONG_AGO = 10**9


def notes_of(way: str, night: str) -> list[dict[str, object]]:
    """Return the notes of a night; those of the small way have no images, which are Spark's to read."""
    notes = make_notes("first" if night == FIRST else "second")
    if night == THIRD:
        notes = [note | {"body": "once more"} if note["note_id"] in ("11", "33") else note for note in notes[1:]]
    if way == DRIVER:
        notes = [{name: value for name, value in note.items() if name != "images"} for note in notes]
    return notes


def store_of(lake: Path) -> str:
    """Return the URI of the online store of a lake: files beside it."""
    return f"lmdb://{lake}-store"


def folder_of(store: str) -> Path:
    """Return where the files of a store lie."""
    return Path(store.removeprefix("lmdb://"))


def held_of(lake: Path, note_ids: list[str]) -> Wanted:
    """Return what a lake, if there is one, has of some notes: their ids, the keys of their items and pieces of their texts."""
    return replace(wanted_of(str(lake), note_ids), pieces=stored_pieces(str(lake), note_ids))


@dataclass
class Nights:
    """The lakes that refreshes left, by way and night, below a scene's folder."""

    scene: Scene
    made: dict[tuple[str, str], Undisturbed] = field(default_factory=dict)

    def arguments(self, way: str, lake: Path) -> list[str]:
        """Return the arguments of a refresh of `lake`."""
        settings = (*SETTINGS, f"ingest.source={self.scene.folder / way}", f"serving.store={store_of(lake)}")
        return self.scene.arguments(lake, settings)

    def before(self, way: str, night: str, lake: Path) -> None:
        """Make `lake` what it is before the night, with files of long ago that retention may take, and the source likewise."""
        if night != FIRST:
            before = self.after(way, NIGHTS[NIGHTS.index(night) - 1]).lake
            shutil.copytree(before, lake)
            shutil.copytree(folder_of(store_of(before)), folder_of(store_of(lake)))
            for path in lake.rglob("*.parquet"):
                os.utime(path, (LONG_AGO, LONG_AGO))
        source = self.scene.folder / way
        if way != DRIVER:
            shutil.copytree(self.scene.folder / "source", source, dirs_exist_ok=True)
        write_source(source, notes_of(way, night))
        if night == THIRD:
            add(str(lake), [TAKEN], "an order")

    def after(self, way: str, night: str) -> Undisturbed:
        """Return what an undisturbed refresh left, made with all nights before it on first use."""
        if (way, night) not in self.made:
            lake = self.scene.folder / f"{way}-after-{night}"
            self.before(way, night, lake)
            with Watcher(lake) as watcher:
                code = run_here("refresh", self.arguments(way, lake))
            assert code == 0, f"an undisturbed night failed: {way}, {night}"
            self.made[way, night] = Undisturbed(lake, watcher.counts())
        return self.made[way, night]
