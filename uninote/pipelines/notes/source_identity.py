"""Which source a lake's notes come from, so that nothing replaces them by accident."""

from __future__ import annotations

import re
from pathlib import Path

from uninote.config.sections.base import DEMO
from uninote.errors import UninoteError
from uninote.lake.delta_files import files_of
from uninote.notes.ingest.sources import Source
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say

SOURCE = "uninote.source"  # property of the notes table: DEMO, or the place of the last source
MIN_DELETED = 100  # fewer notes than that may go in one run, however few there are
_DEMO_FOLDER = re.compile(r"corpus-\d+-\d+")  # as lakes of format 1 name the demo: by its folder


class OtherSourceError(UninoteError):
    """The lake's notes come from another source than the configured one."""


class DeletedShareError(UninoteError):
    """The source lacks so many of the lake's notes that it may not be whole."""


def identity_of(run: Run, source: Source) -> str:
    """Return what the notes table says of its source once `source` is ingested."""
    return DEMO if run.config.ingest.source == DEMO else source.uri


def may_hold_demo(run: Run) -> bool:
    """Say whether the lake may be filled with the demo corpus: it has no notes, or the demo's."""
    known = _known_source(run)
    return known is None or _is_demo(known)


def check_source(run: Run, identity: str) -> None:
    """Say when the lake's notes came from another source.

    Raises OtherSourceError where the demo would replace anybody's notes, or they the demo.
    """
    known = _known_source(run)
    if known is None or known == identity:
        return
    if _is_demo(known) != _is_demo(identity):
        raise OtherSourceError(
            f"the lake {run.lake.root} holds notes of {_name(known)}, ingest.source is {_name(identity)}; one never "
            "replaces the other. Name the source with --set ingest.source=<place>, or another lake with --set lake=<folder>"
        )
    if not _is_demo(known):
        say(f"ingest: the notes came from {known} before, and come from {identity} now")


def check_deleted(run: Run, deleted: int, stored: int) -> None:
    """Raise DeletedShareError if a run would delete more of the `stored` notes than it may."""
    share = run.config.ingest.max_deleted_share
    if run.allow_deletes or deleted < MIN_DELETED or deleted <= share * stored:
        return
    raise DeletedShareError(
        f"the source lacks {deleted:,} of the {stored:,} notes in {run.lake.root}, and ingest would delete them; more than "
        f"ingest.max_deleted_share={share} looks like an export that is not whole. Nothing was written. If they are to go, "
        "run this once with --allow-deletes"
    )


def _known_source(run: Run) -> str | None:
    """Return where the lake's notes come from, "" if nobody said so; null where it has no notes."""
    uri = run.lake.uri("notes")
    if not tables.has_table(uri) or not any(file.rows for file in files_of(uri)):
        return None
    return tables.table_property(uri, SOURCE) or ""


def _is_demo(source: str) -> bool:
    return source == DEMO or any(_DEMO_FOLDER.fullmatch(part) for part in Path(source).parts)


def _name(source: str) -> str:
    return source or "another program than ingest"
