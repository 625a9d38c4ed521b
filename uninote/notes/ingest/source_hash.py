"""What the files of a source hold, by one digest: an export that was written again and says the same is told by it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from uninote.digests import digest
from uninote.notes.ingest.formats.files import is_local, list_files
from uninote.notes.ingest.sources import Source
from uninote.storage.local import local_path
from uninote.storage.types import S3Options

# Hashed at about 1 GB a second by one thread; more is left to the executors that read it.
MOST_BYTES = 4 << 30


def hash_source(source: Source) -> str:
    """Return a digest of the names and bytes of a source's files, in their order.

    "" for a table of Delta, for what lies in a store, and for more than MOST_BYTES.
    """
    if source.kind == "delta" or not is_local(source.uri):
        return ""
    files, _ = list_files(source.uri, S3Options())
    if sum(file.size for file in files) > MOST_BYTES:
        return ""
    found = []
    for file in files:
        name = file.uri.removeprefix(str(local_path(source.uri)))
        with Path(file.uri).open("rb") as opened:
            found.append((name, hashlib.file_digest(opened, "sha256").hexdigest()))
    return digest(source.kind, found)
