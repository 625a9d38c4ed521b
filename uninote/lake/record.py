"""What a lake says of itself, in `lake.json` at its root: an id that no other lake has, and the format of its tables.

Formats are listed in docs/tables.md. Whoever changes a table's columns raises FORMAT, and adds the step that brings an older
lake there to `pipelines/lake/migrations.py`.
"""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass

from uninote.errors import UninoteError
from uninote.lake.paths import Lake
from uninote.storage import lake_files

FORMAT = 5
FILE = "lake.json"


class LakeFormatError(UninoteError):
    """The lake is not one that this version can use."""


@dataclass(frozen=True)
class LakeRecord:
    """The content of `lake.json`. A copy of a lake has the id of its original."""

    lake_id: str
    format: int


def lake_id(lake: Lake) -> str:
    """Return the id of a lake, 32 hexadecimal characters; one that has none yet gets it now.

    Of several processes that are the first at the same time, one gives the id, and all return it.
    """
    found = read_record(lake.root)
    if found is None:
        _create(lake, LakeRecord(uuid.uuid4().hex, FORMAT))
        found = read_record(lake.root)
    if found is None:
        raise LakeFormatError(f"{lake.uri(FILE)} was removed while this run began; run the same command again")
    return found.lake_id


def read_record(root: str) -> LakeRecord | None:
    """Return what the lake at `root` says of itself; null where there is no `lake.json`.

    Raises LakeFormatError where it is damaged, or of a format that only a later version of this program knows.
    """
    path = Lake(root).uri(FILE)
    try:
        values = json.loads(lake_files.read(path))
        record = LakeRecord(str(values["lake_id"]), int(values["format"]))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise LakeFormatError(f"the lake {root} is a file, or lies below one; lake must name a folder") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LakeFormatError(
            f"{path} cannot be read ({type(error).__name__}: {error}); restore it from a backup of this lake, or remove it: "
            "the next run then writes a new one, and builds indexes outside of the lake again"
        ) from error
    if record.format > FORMAT:
        raise LakeFormatError(
            f"the lake {root} has format {record.format}, this version of uninote knows formats up to {FORMAT}; "
            "install a newer version: pip install --upgrade uninote"
        )
    return record


def write_record(lake: Lake, record: LakeRecord) -> None:
    """Replace the record, in one step."""
    lake_files.write(lake.uri(FILE), _text(record))


def _create(lake: Lake, record: LakeRecord) -> None:
    """Write the record unless there is one."""
    with suppress(FileExistsError):
        lake_files.create(lake.uri(FILE), _text(record))


def _text(record: LakeRecord) -> bytes:
    return (json.dumps(asdict(record), indent=1, sort_keys=True) + "\n").encode()
