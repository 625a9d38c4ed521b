"""Where a training run writes: a folder of this machine's disk; what is finished goes on to the lake where that is a bucket."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from uninote.storage import lake_files
from uninote.storage.lake_folders import fetch_folder, put_folder
from uninote.storage.private_folders import own_folder
from uninote.storage.types import is_object_store

_WHOLE = "_whole"  # the file that says that all others of its folder are there


@dataclass(frozen=True)
class Outputs:
    """A run's folder `uri`, and `folder`, where this machine has it: the same one unless `uri` is in an object store.

    There, states that a killed run goes on from stay on the machine; another one begins with the last finished stage.
    """

    uri: str
    folder: Path

    @classmethod
    def at(cls, uri: str) -> Outputs:
        """Return those of the run whose folder is `uri`."""
        if is_object_store(uri):
            return cls(uri, own_folder() / f"training-{uri.rpartition('/')[2]}")
        return cls(uri, Path(uri))

    def fetch(self, name: str) -> None:
        """Bring what a run on another machine finished under `name` to this one, if there is anything."""
        place = lake_files.join(self.uri, name)
        if (
            not is_object_store(self.uri)
            or (self.folder / name).exists()
            or not lake_files.is_file(f"{place}/{_WHOLE}")
        ):
            return
        # Renamed once it is whole: a fetch that was killed is begun again.
        scratch = self.folder / f".{name}"
        shutil.rmtree(scratch, ignore_errors=True)
        fetch_folder(place, scratch)
        scratch.rename(self.folder / name)

    def put(self, name: str) -> str:
        """Bring what lies finished in `folder`/`name` to where others find it; returns that place."""
        place = lake_files.join(self.uri, name)
        if is_object_store(self.uri):
            # Away before the rest and back after it: of a copy that was killed halfway nobody takes the half.
            lake_files.remove(f"{place}/{_WHOLE}")
            put_folder(self.folder / name, place)
            lake_files.write(f"{place}/{_WHOLE}", b"\n")
        return place
