"""From any exception that ends a job to the one sentence that a person is told: what, where, what to do."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from uninote.failures.faults import FAULTS

TRACE = "UNINOTE_TRACE"  # in the environment: print the trace as well

# The name as Python prints it in a worker's traceback.
_OWN_ERROR = re.compile(r"^uninote\.[\w.]*Error: (.+)$", re.MULTILINE)
_CAUSED_BY = re.compile(r"^Caused by: (?:[\w.$]+\.)?([\w$]+(?:: .+)?)$", re.MULTILINE)
_RAISED = re.compile(
    r"^\s*(?:[\w.]+\.)?(\w+(?:Error|Exception): .+)$", re.MULTILINE
)  # the last line of Python's traces
_PATH = re.compile(r"(?:file:|location )/*(/[^\s'\"]*[^\s'\".,;:])|['\"](/[^'\"\n]+)['\"]")
_PARTS_OF_TABLES = re.compile(r"/(?:_delta_log|_change_data|part-|[\w%]+=|[^/]+\.parquet).*$")
_OURS = ("uninote", "udfs", "jobs")
_LONGEST = 400  # of a text that is not ours


def explained(error: BaseException) -> str:
    """Return the cause in one sentence, or two, without a full stop: what, where, what to do.

    Errors of ours that a worker raised come through as they are; faults that are known have their sentence; of any other
    the innermost cause is told, and the place in this project's code.
    """
    texts = list(_texts(error))
    # An error of ours says all that is to be said, wherever in the chain of causes it stands.
    if found := _OWN_ERROR.search("\n".join(texts)):
        return found[1].rstrip(".")
    for text in texts:
        for fault in FAULTS:
            if found := fault.texts.search(text):
                return fault.sentence.format(at=_place(error, text), **found.groupdict())
    return (
        f"{_innermost(texts[0], error)} (at {_line(error)}). Set {TRACE}=1 and run again to see the whole trace; if the data "
        "is sound, it is a fault of this program to report"
    )


def _texts(error: BaseException) -> Iterator[str]:
    """Yield what the error and those that led to it say, with their types, from the outermost."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield f"{type(one).__name__}: {one}"
        one = one.__cause__ or one.__context__


def _place(error: BaseException, text: str) -> str:
    """Return the table or file that the error is about: a path in its text, else the table that the code was at.

    Errors of Delta's Rust library name no table; the functions that call it have its place as `uri`.
    """
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return _table(error.filename)
    if found := _PATH.search(text):
        return _table(found[1] or found[2])
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        if isinstance(uri := frame.f_locals.get("uri"), str):
            return uri
    return "the lake"


def _table(path: str) -> str:
    return _PARTS_OF_TABLES.sub("", path) or path


def _innermost(text: str, error: BaseException) -> str:
    causes = _CAUSED_BY.findall(text) or _RAISED.findall(text)
    if causes:
        cause = str(causes[-1])
    else:
        first, *_ = str(error).strip().splitlines() or [""]
        cause = f"{type(error).__name__}: {first.strip()}" if first else type(error).__name__
    return cause[:_LONGEST].rstrip(". ")


def _line(error: BaseException) -> str:
    """Return the innermost line of this project's code that the error passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        # The path from the innermost of our folders on.
        below: list[str] = []
        for part in reversed(Path(frame.filename).parts):
            below.insert(0, part)
            if part in _OURS:
                break
        if below[0] in _OURS and "site-packages" not in below:
            return f"{'/'.join(below)}:{frame.lineno}"
    return "a line outside this project"
