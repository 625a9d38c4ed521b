"""What a source is: its format, where its rows are, and which folder its media may come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from uninote.errors import UninoteError
from uninote.lake.table_paths import unusable_part
from uninote.notes.ingest.formats.files import COMPRESSED, HIDDEN, is_local
from uninote.storage.local import local_path

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
TEXTS = {suffix for suffix, kind in FORMATS.items() if kind != "parquet"}
SUFFIXES = (*FORMATS, *map("".join, product(TEXTS, COMPRESSED)))


class SourceError(UninoteError):
    """A source that cannot be read as notes."""


@dataclass(frozen=True)
class Source:
    """`kind` is one of jsonl, json, csv, parquet, delta. `media_root` is null where no folder of images goes with it."""

    kind: str
    uri: str
    media_root: str | None


def find_source(location: str) -> Source:
    """Say what lies at `location`: a folder with an items file and images, such a file alone, or a table.

    Raises SourceError with what was looked for and what is there.
    """
    # In a store nothing is looked up yet: its name alone says what it is.
    if not is_local(location):
        return Source(format_of(location) or "delta", location, None)
    path = local_path(location)
    if path.is_file():
        return _file(path)
    if not path.is_dir():
        raise SourceError(f"ingest.source {location} does not exist; give a folder, a file or a table")
    if (path / "_delta_log").is_dir():
        if (part := unusable_part(str(path))) is not None:
            raise SourceError(
                f"ingest.source {location} is a Delta table at a path with {part!r}, which Delta's library cannot open; move "
                f"it, or name it by a link"
            )
        return Source("delta", str(path), None)
    return _folder(path)


def format_of(name: str) -> str | None:
    """Return the format that a file's name ends with, compressed or not; None where it names none."""
    lower = name.lower()
    for compression in COMPRESSED:
        if lower.endswith(compression):
            kind = FORMATS.get(Path(lower.removesuffix(compression)).suffix)
            return None if kind == "parquet" else kind
    return FORMATS.get(Path(lower).suffix)


def _file(path: Path) -> Source:
    kind = format_of(path.name)
    if kind is None:
        raise SourceError(f"ingest.source {path} is a {path.suffix or 'nameless'} file; known are {', '.join(FORMATS)}")
    return Source(kind, str(path), str(path.parent))


def _folder(path: Path) -> Source:
    named = []
    for suffix in SUFFIXES:
        name = f"items{suffix}"
        if (path / name).exists():
            named.append(name)
    if len(named) > 1:
        raise SourceError(
            f"ingest.source {path} holds {' and '.join(named)}; name the one that is meant: "
            f"--set ingest.source={path / named[0]}"
        )
    if named:
        return Source(str(format_of(named[0])), str(path / named[0]), str(path))
    kinds = _formats_below(path)
    # Beside Parquet, files of other formats are taken for notes about it.
    if len(kinds) > 1 and "parquet" not in kinds:
        raise SourceError(
            f"ingest.source {path} holds files of several formats: {', '.join(sorted(kinds.values()))}; name a file, or "
            f"keep one format in a folder of its own"
        )
    if kinds:
        return Source("parquet" if "parquet" in kinds else next(iter(kinds)), str(path), str(path))
    raise _refusal(path)


def _formats_below(path: Path) -> dict[str, str]:
    """Return format -> an example, of the files in a folder and in its folders `column=value`."""
    found: dict[str, str] = {}
    folders = [path]
    while folders:
        for entry in sorted(folders.pop().iterdir()):
            if entry.name.startswith(HIDDEN):
                continue
            if entry.is_dir():
                folders += [entry] if "=" in entry.name else []
            elif (kind := format_of(entry.name)) is not None:
                found.setdefault(kind, entry.name)
    return found


def _refusal(path: Path) -> SourceError:
    names = sorted(os.listdir(path))
    hidden = [name for name in names if name.startswith(HIDDEN) and format_of(name)]
    if hidden:
        return SourceError(
            f"ingest.source {path} holds only hidden files, which readers skip: {', '.join(hidden[:10])}. Rename them, or name "
            f"the file itself: --set ingest.source={path / hidden[0]}"
        )
    present = ", ".join(names[:10]) or "nothing"
    return SourceError(
        f"ingest.source {path} holds no items{'/items'.join(FORMATS)}, no *.parquet and no _delta_log; it holds: {present}"
    )
