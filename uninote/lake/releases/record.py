"""What a release consists of, in a file of its own that never changes: `<lake>/releases/release-<id>.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from uninote.errors import UninoteError
from uninote.lake.reserved import is_reserved
from uninote.storage import lake_files
from uninote.storage.lake_files import join

FOLDER = "releases"
FORMAT = 1
EMBEDDINGS = "embeddings"  # in `joined`: what was made of further sets of vectors, by their names
_DIGITS = 12
_START, _END = "release-", ".json"
_ATTEMPTS = 100
_REMEDY = (
    "restore it from a backup, or let go of it: unpin it if it is pinned, then roll back to another release, which may be the "
    "live one (uninote releases rollback --to …)"
)


class ReleaseError(UninoteError):
    """There is no such release, or it cannot be read."""


@dataclass(frozen=True)
class IndexPin:
    """The index of one width: its folder, relative to the lake unless it lies elsewhere, and the name of its manifest."""

    folder: str
    manifest: str

    @property
    def is_elsewhere(self) -> bool:
        """Whether the folder lies outside of the lake."""
        return self.folder.startswith("/") or "://" in self.folder

    def place(self, lake: str) -> str:
        """Return where the folder lies, for the lake at `lake`."""
        return self.folder if self.is_elsewhere else join(lake, self.folder)


@dataclass(frozen=True)
class GateResult:
    """What a gate found. `state` is passed, failed, or skipped where there was nothing to compare.

    `value` is what was measured and `limit` what is allowed, null where the gate compares no numbers; `low` and `high` are the
    ends of the 95 % interval where `value` comes from a sample. `finding` says it in a sentence, `look` where to look.
    """

    name: str
    state: str
    finding: str
    value: float | None = None
    limit: float | None = None
    low: float | None = None
    high: float | None = None
    look: str = ""


@dataclass(frozen=True)
class Release:
    """Which versions belong together.

    `tables`: path of a Delta table relative to the lake -> version. `indexes`: width -> pin. `entries`: "stage/unit" ->
    sequence of the ledger's entry that had made it so. `metrics` are those that the next release is compared with. `joined`
    says how lists were made: `settings` (the section neighbours), `width`, `as_of`, `run_id`; with further sets of vectors
    the same of each, its `generation` and its `entries`, below `embeddings`. `forced` says that it went
    live although a gate failed. `made_at` is the time in UTC, ISO 8601, by the clock of the host that made it.
    """

    id: int
    made_at: str
    run_id: str
    lake_id: str
    generation: str
    tables: Mapping[str, int]
    indexes: Mapping[str, IndexPin]
    entries: Mapping[str, int]
    gates: tuple[GateResult, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    forced: bool = False
    joined: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def failed_gates(self) -> tuple[GateResult, ...]:
        """The gates that it did not pass."""
        return tuple(gate for gate in self.gates if gate.state == "failed")

    def path(self, name: str) -> str:
        """Return the path, relative to the lake, of a table of this name, as `name_of` has it. Raises ReleaseError."""
        for path in self.tables:
            if self.name_of(path) == name:
                return path
        names = ", ".join(sorted(map(self.name_of, self.tables)))
        raise ReleaseError(f"release {self.id} has no table {name!r}; it has {names}")

    def name_of(self, path: str) -> str:
        """Return what readers call the table at `path`: as it is named in the generation, or in the lake.

        Neighbour tables of further sets of vectors have a name of their own; what else is theirs is called by its path.
        """
        for generation in self.generations:
            name = path.removeprefix(f"{generation}/")
            if name != path and (generation == self.generation or not is_reserved(name)):
                return name
        return path

    @property
    def generations(self) -> tuple[str, ...]:
        """The generation, and those of further sets of vectors."""
        return (self.generation, *(one["generation"] for one in self.joined.get(EMBEDDINGS, {}).values()))

    @property
    def beside(self) -> dict[str, Release]:
        """What the release has of each further set of vectors, by its name: a release of that generation, without indexes."""
        found = {}
        for name, made in self.joined.get(EMBEDDINGS, {}).items():
            start = f"{made['generation']}/"
            own = {path: one for path, one in self.tables.items() if "/" not in path or path.startswith(start)}
            found[name] = replace(
                self, generation=made["generation"], tables=own, indexes={}, entries=made["entries"], joined=made
            )
        return found

    def consists_of_the_same(self, other: Release) -> bool:
        """Say whether two releases pin the same versions."""
        ours = (self.generation, dict(self.tables), dict(self.indexes))
        return ours == (other.generation, dict(other.tables), dict(other.indexes))

    def text(self) -> bytes:
        """Return the release as JSON."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @staticmethod
    def of(content: bytes) -> Release:
        """Return the release that a file says. Raises ValueError, KeyError or TypeError where it is none."""
        values: dict[str, Any] = json.loads(content)
        if values["format"] > FORMAT:
            raise ValueError(f"it has format {values['format']}, this version of uninote knows formats up to {FORMAT}")
        for name in ("tables", "indexes", "entries"):
            if not isinstance(values[name], dict):
                raise ValueError(f"its {name} are no object")
        values["indexes"] = {width: IndexPin(**pin) for width, pin in values["indexes"].items()}
        values["gates"] = tuple(GateResult(**gate) for gate in values["gates"])
        return Release(**values)


def place(lake: str, release_id: int) -> str:
    """Return where the file of a release lies."""
    return join(lake, FOLDER, f"{_START}{release_id:0{_DIGITS}d}{_END}")


def release_ids(lake: str) -> list[int]:
    """Return the ids of all releases that have a file, in order."""
    found = []
    for name in lake_files.names_in(join(lake, FOLDER)):
        digits = name.removeprefix(_START).removesuffix(_END)
        if digits.isdecimal() and name == f"{_START}{digits}{_END}":
            found.append(int(digits))
    return found


def read_release(lake: str, release_id: int) -> Release:
    """Return a release. Raises ReleaseError where there is none of this id, or its file is damaged."""
    where = place(lake, release_id)
    try:
        found = Release.of(lake_files.read(where))
        if found.id != release_id:
            raise ValueError(f"it is that of release {found.id}")
        return found
    except FileNotFoundError as error:
        known = ", ".join(map(str, release_ids(lake))) or "none"
        raise ReleaseError(
            f"{lake} has no release {release_id}; there are: {known}. If it is one that is kept, its file was removed: "
            f"{_REMEDY}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{where} cannot be read ({type(error).__name__}: {error}); {_REMEDY}") from error


def write_release(lake: str, release: Release, after: int) -> Release:
    """Write a release under the first id past `after` that is free, and return it with that id."""
    for number in range(after + 1, after + _ATTEMPTS):
        numbered = Release(**{**vars(release), "id": number})
        try:
            lake_files.create(place(lake, number), numbered.text())
        except FileExistsError:
            continue
        return numbered
    raise ReleaseError(
        f"{_ATTEMPTS} releases past {after} were written meanwhile; is another program writing to {lake}?"
    )


def remove_release(lake: str, release_id: int) -> None:
    """Remove the file of a release, if it is there."""
    lake_files.remove(place(lake, release_id))
