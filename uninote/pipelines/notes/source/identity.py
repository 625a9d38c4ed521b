"""Which source a lake's notes come from, so that nothing replaces them by accident, and whether it is as it was read last."""

from __future__ import annotations

from pathlib import Path

from uninote import __version__
from uninote.config.sections.base import DEMO
from uninote.demo.workspace import demo_corpus
from uninote.digests import digest
from uninote.errors import UninoteError
from uninote.lake.small_tables import may_have_entries
from uninote.lake.takedowns.orders import read_orders
from uninote.notes.ingest.source_hash import hash_source
from uninote.notes.ingest.sources import Source
from uninote.pipelines.lake import ledger, tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.source import is_demo, known_source
from uninote.pipelines.runtime.progress import say

MIN_DELETED = 100  # fewer notes than that may go in one run, however few there are


class OtherSourceError(UninoteError):
    """The lake's notes come from another source than the configured one."""


class DeletedShareError(UninoteError):
    """The source lacks so many of the lake's notes that it may not be whole."""


def demo_folder(run: Run) -> Path:
    """Return the folder of the demo corpus that the configuration names, which is made when it is first asked for."""
    demo = run.config.demo
    return demo_corpus(demo.folder, demo.notes, demo.seed)


def identity_of(run: Run, source: Source) -> str:
    """Return what the notes table says of its source once `source` is ingested."""
    return DEMO if run.ingest.source == DEMO else source.uri


def may_hold_demo(run: Run) -> bool:
    """Say whether the lake may be filled with the demo corpus: it has no notes, or the demo's."""
    known = known_source(run.lake)
    return known is None or is_demo(known)


def check_source(run: Run, identity: str) -> None:
    """Say when the lake's notes came from another source.

    Raises OtherSourceError where the demo would replace anybody's notes, or they the demo.
    """
    known = known_source(run.lake)
    if known is None or known == identity:
        return
    if is_demo(known) != is_demo(identity):
        raise OtherSourceError(
            f"the lake {run.lake.root} holds notes of {_name(known)}, ingest.source is {_name(identity)}; one never "
            "replaces the other. Name the source with --set ingest.source=<place>, or another lake with --set lake=<folder>"
        )
    if not is_demo(known):
        say(f"ingest: the notes came from {known} before, and come from {identity} now")


def state_of(run: Run, source: Source) -> str:
    """Return a digest of what the source holds, of how it is read, and of the notes that are left out as taken down.

    "" where that is not known without reading it.
    """
    content = hash_source(source)
    # By their hashes, which stay as they are when the notes are erased.
    left_out = sorted(order.digest for order in read_orders(run.lake.root))
    return digest(content, run.ingest.model_dump(mode="json"), __version__, *left_out) if content else ""


def signature(run: Run, state: str) -> str:
    """Return what the ledger says that the notes table was made from; "" where it does not say."""
    return digest(state, tables.table_id(run.lake.uri("notes"))) if state else ""


def counts_if_unchanged(run: Run, state: str) -> dict[str, int] | None:
    """Return the counts of the last ingest where one of a source in this state would write nothing; null where it might.

    Rows without a fault and notes without images alone: of others, each ingest looks again at what may be whole now.
    """
    uri = run.lake.uri("notes")
    last = ledger.last_of(run.lake, "ingest", "all")
    if not state or last is None or not tables.has_table(uri):
        return None
    is_same = last["fingerprint"] == signature(run, state) and last["outputs"] == {"notes": tables.table_version(uri)}
    if not is_same or last["counts"]["quarantined"] or may_have_entries(uri, "images"):
        return None
    return dict(last["counts"]) | {"inserted": 0, "updated": 0, "deleted": 0}


def check_deleted(run: Run, deleted: int, stored: int) -> None:
    """Raise DeletedShareError if a run would delete more of the `stored` notes than it may."""
    share = run.config.ingest.max_deleted_share
    # In a small lake a few notes are a large share of it; MIN_DELETED lets them be deleted.
    if run.allow_deletes or deleted < MIN_DELETED or deleted <= share * stored:
        return
    raise DeletedShareError(
        f"the source lacks {deleted:,} of the {stored:,} notes in {run.lake.root}, and ingest would delete them; more than "
        f"ingest.max_deleted_share={share} looks like an export that is not whole. Nothing was written. If they are to go, "
        "run this once with --allow-deletes"
    )


def _name(source: str) -> str:
    return source or "another program than ingest"
