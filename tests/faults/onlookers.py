"""A reader that looks again and again while refreshes are struck, and what it found wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake.exceptions import DeltaError

import uninote
from uninote.lake.releases.watching import ReleaseEndedError
from uninote.neighbours.lookup import lookup
from uninote.releases.open_release import OpenRelease

Contents = frozenset[tuple[str, str]]
PAUSE_S = 0.05


def contents_of(lake: Path) -> Contents:
    """Return (item_id, content hash) of every item of the live release: what tells one night from another."""
    items = uninote.open_release(str(lake)).table("items").to_pyarrow_table(columns=["item_id", "content_hash"])
    return frozenset(zip(items["item_id"].to_pylist(), items["content_hash"].to_pylist(), strict=True))


def rows_of(opened: OpenRelease, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table of a release. Raises ReleaseEndedError where the release ended while deltalake read it."""
    try:
        return opened.table(name).to_pyarrow_table().to_pylist()
    except DeltaError:
        uninote.open_release(opened.lake, opened.id)
        raise


class Reader:
    """Opens the live release of `lake`, reads all of it, and holds it against what a night had before and has after.

    `before` null: there is no release yet, and none may be seen but `after`.
    """

    def __init__(self, lake: Path, before: Contents | None, after: Contents) -> None:
        self.lake = lake
        self.wrong: list[str] = []
        self.seen: list[str] = []
        self._known = {after: "after"} | ({} if before is None else {before: "before"})
        self._has_release = before is not None
        self._stop = threading.Event()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Let it look meanwhile."""
        thread = threading.Thread(target=self._loop)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(PAUSE_S):
            if not self._has_release and not any((self.lake / "releases").glob("live-*.json")):
                continue
            self._has_release = True
            try:
                self.look()
            except ReleaseEndedError:
                continue  # it held a note that was taken down
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")

    def look(self) -> None:
        """Read the live release. Raises AssertionError where it is no whole night, or an older one than was seen before."""
        opened = uninote.open_release(str(self.lake))
        rows = rows_of(opened, "items")
        night = self._known.get(frozenset((row["item_id"], row["content_hash"]) for row in rows))
        assert night is not None, f"release {opened.id} has the items of no whole night"
        assert (night, self.seen[-1:]) != ("before", ["after"]), f"release {opened.id} is yesterday's again"
        self.seen.append(night)
        notes = {row["note_id"] for row in rows if row["kind"] == "note"}
        for name in ("neighbours", "same_category", "collapsed"):
            lists = {row["note_id"]: row["neighbours"] for row in rows_of(opened, name)}
            assert set(lists) == notes, f"release {opened.id}: {name} has lists of other notes"
            named = {one["note_id"] for entries in lists.values() for one in entries}
            assert named <= notes, f"release {opened.id}: {name} names {sorted(named - notes)}"
        for name in opened.release.indexes:
            assert opened.index(int(name[1:])).manifest.live == len(rows), f"release {opened.id}: {name} is of others"
        assert set(opened.lookup(sorted(notes))) <= notes
        assert lookup(str(self.lake), sorted(notes)[:3])
