"""What a source is: its format, where its rows are, and which folder its media may come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uninote.errors import UninoteError

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".parquet": "parquet"}


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
    if "://" in location:
        suffix = Path(location).suffix
        return Source(FORMATS.get(suffix, "delta"), location, None)
    path = Path(location)
    if path.is_file():
        return _file(path)
    if not path.is_dir():
        raise SourceError(f"ingest.source {location} does not exist; give a folder, a file or a table")
    if (path / "_delta_log").is_dir():
        return Source("delta", str(path), None)
    return _folder(path)


def _file(path: Path) -> Source:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise SourceError(f"ingest.source {path} is a {path.suffix or 'nameless'} file; known are {', '.join(FORMATS)}")
    return Source(kind, str(path), str(path.parent))


def _folder(path: Path) -> Source:
    named = [path / f"items{suffix}" for suffix in FORMATS if (path / f"items{suffix}").exists()]
    if named:
        return _file(named[0]) if named[0].is_file() else Source("parquet", str(named[0]), str(path))
    if any(path.glob("*.parquet")):
        return Source("parquet", str(path), str(path))
    present = ", ".join(sorted(one.name for one in path.iterdir())[:10]) or "nothing"
    raise SourceError(
        f"ingest.source {path} holds no items{'/items'.join(FORMATS)}, no *.parquet and no _delta_log; it holds: {present}"
    )
