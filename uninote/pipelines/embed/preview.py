"""What a run of embed would compute, and about how long: no model is loaded, nothing is written."""

from __future__ import annotations

from typing import Any

from uninote.errors import ConfigError, UninoteError
from uninote.lake.record import FORMAT, read_record
from uninote.ocr.reader import INSTALL
from uninote.pipelines.embed.guards.recomputed import reasons, too_much
from uninote.pipelines.embed.planning import make_plan
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.recovery import STAGE, WHOLE, look_before
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.encoders import check_widths
from uninote.pipelines.lake.run import Run, ledger
from uninote.pipelines.notes.images.image_texts import Unread, count_unread
from uninote.pipelines.notes.images.media_roots import copies_of
from uninote.pipelines.runtime.progress import say
from uninote.planning.embed import seconds_by_ledger


def preview(run: Run) -> dict[str, Any]:
    """Return the counts of what embed would do, by reason, and the seconds that the ledger's rates promise: null, not known.

    Files of images that changed are read, as only their bytes tell; what an ingest would take to read texts in images is
    counted apart. What a killed run left is taken as it stands. Raises UninoteError for a lake of an older format, which
    opening would bring to the present one.
    """
    _check_format(run)
    if run.vector_table is not None:
        raise ConfigError(
            "embed.vectors_from: a dry run says what a model would compute, and vectors of a table need none"
        )
    widths = check_widths(run.model, run.config.embed)
    version = tables.table_version(run.lake.uri("notes"))
    plan = make_plan(run, version, widths, look_before(run, widths))
    # These are copies of images that were hashed, kept for a model, which does not follow here.
    copies_of(run).remove()
    found = reasons(plan)
    computed = plan.census.of(*changes.MODEL)
    seconds = seconds_by_ledger([entry for entry in ledger(run, STAGE) if entry["unit"] == WHOLE], computed)
    plan.release()
    texts = count_unread(run, tables.read_table(run.spark, run.lake.uri("notes"), version))
    stopped = too_much(plan)
    parts = ", ".join(f"{reason} {count:,}" for reason, count in found.items()) or "nothing changed"
    say(f"embed: {computed:,} of {plan.notes_in:,} notes' items would be computed ({parts}); {_time_of(seconds)}")
    _say_more(texts, stopped)
    return {
        "dry_run": True,
        "notes_in": plan.notes_in,
        "computed": computed,
        "reasons": {reason: found.get(reason, 0) for reason in changes.REASONS},
        "deleted": plan.census.of(changes.DELETED),
        "postponed": plan.census.postponed,
        "images_opened": plan.census.opened,
        "seconds": seconds,
        "images_unread": texts.images,
        "ocr_seconds": None if texts.seconds is None else round(texts.seconds, 1),
        "stopped": stopped,
        "generation": run.model.generation,
    }


def _say_more(texts: Unread, stopped: str | None) -> None:
    """Say what would come before embed, and what would stop it."""
    if texts.images:
        say(f"ingest: texts in {texts.images:,} images are not read yet; {_ocr(texts)}")
    if stopped is not None:
        say(f"embed: it would stop: {stopped}")


def _time_of(seconds: float | None) -> str:
    if seconds is None:
        return "how long is not known, as no run of this model is in the ledger"
    return f"about {seconds:,.0f} s"


def _ocr(texts: Unread) -> str:
    if texts.is_left:
        return f"nor will be: {INSTALL} reads them"
    if texts.seconds is None:
        return "how long that takes is not known, as no run that read any is in the ledger"
    return f"jobs/ingest.py reads them in about {texts.seconds:,.1f} s of a core"


def _check_format(run: Run) -> None:
    record = read_record(run.config.lake)
    if record is None or record.format != FORMAT:
        raise UninoteError(
            f"{run.config.lake} is no lake of format {FORMAT}, to which any job brings it that opens it, and a dry run changes "
            "nothing; run jobs/ingest.py first"
        )
