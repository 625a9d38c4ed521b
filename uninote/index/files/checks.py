"""Which files of an index are not as its manifest says: sizes in every run, checksums in turn."""

from __future__ import annotations

from datetime import datetime

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Manifest
from uninote.index.files.stored_file import IndexDamagedError, StoredFile
from uninote.storage.types import is_remote

EVERY_RUN_BYTES = 1 << 30
"""An index of at most so many bytes is read in full by every run; of a larger one each file is read once a week."""

_DAYS = 7


def find_damage(folder: IndexFolder, manifest: Manifest, when: datetime) -> list[str]:
    """Return what is wrong with the files of an index, a sentence each; damaged ones are removed, so that nobody reuses them.

    That every file is there, as long as it was, is one request. Checksums are compared where the files lie on a disk: an
    object store compares its own.
    """
    # One request tells the sizes of all files: a missing or a cut one is found in every run, whatever is due.
    sizes = folder.sizes()
    wrong = []
    for file in (*manifest.files, *manifest.template_files):
        try:
            folder.check_size(file, sizes)
            if _is_due(folder, manifest, file, when):
                folder.checked(file)
        except IndexDamagedError as error:
            folder.remove(file.name)
            wrong.append(str(error))
    return wrong


def _is_due(folder: IndexFolder, manifest: Manifest, file: StoredFile, when: datetime) -> bool:
    if is_remote(folder.uri):
        return False
    if manifest.bytes <= EVERY_RUN_BYTES:
        return True
    # By hash and day: each run of a week reads another seventh of the files.
    return int(file.sha256[:8], 16) % _DAYS == when.toordinal() % _DAYS
