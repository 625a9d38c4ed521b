"""Folders on this machine that only this user can write to: the one place for copies and caches."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from uninote.errors import UninoteError

REMEDY = "remove it, or set TMPDIR to a folder of your own"


def own_folder() -> Path:
    """Return this user's folder below the system's temporary one. Raises UninoteError unless it is private."""
    return private_folder(Path(tempfile.gettempdir()) / f"uninote-{os.getuid()}")


def private_folder(folder: Path) -> Path:
    """Make `folder` where it is missing, and return it: nobody else may put a file where we look for ours.

    Called before each use, since the folder around it may be everybody's. Raises UninoteError where it is a link, belongs
    to somebody else, or may be entered by others.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass
    except OSError as error:
        raise UninoteError(f"{folder} cannot be made: {error.strerror}; {REMEDY}") from error
    # Not stat: a link may lead to a folder of ours now, and elsewhere a moment later.
    problem = _problem(os.lstat(folder))
    if problem:
        raise UninoteError(f"{folder} {problem}, so what lies in it cannot be trusted; {REMEDY}")
    return folder


def _problem(status: os.stat_result) -> str:
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return "is not a folder"
    if status.st_uid != os.getuid():
        return f"belongs to user {status.st_uid}, not to {os.getuid()}"
    if mode & 0o077:
        return f"has mode {mode:04o} and can be {'written' if mode & 0o022 else 'entered'} by others"
    return ""
