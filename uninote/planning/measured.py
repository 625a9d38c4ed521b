"""Rates measured on a lake: by the newest runs in its ledger that did enough, and by the files of its tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uninote.index.planning.choose import plan_index
from uninote.index.planning.plan import IndexOverrides
from uninote.neighbours.planning.costs import JOIN_S, PASS_S
from uninote.planning import neighbours
from uninote.planning.rates import DEFAULTS, Rate
from uninote.planning.samples import STAGES

Entry = Mapping[str, Any]  # of the ledger
WHOLE = "all"  # the unit of a whole run; others are chunks, or texts of images
_UNITS = {rate.name: rate.unit for rate in DEFAULTS}


@dataclass(frozen=True)
class Ledger:
    """A lake's entries, oldest first, and the `gpus` that its runs had, which the ledger does not say.

    `cores`: those that all runs had; null: what each entry says, and this machine's where one does not. Runs of fewer than
    `least` rows are passed over: starting tasks is most of what they take.
    """

    entries: Sequence[Entry]
    cores: int | None
    gpus: int
    least: int

    def cores_of(self, entry: Entry) -> int:
        """Return the cores that a run had."""
        return self.cores or entry.get("cores") or os.cpu_count() or 1

    def newest(self, stage: str, count: str, fits: Callable[[Entry], bool]) -> Entry | None:
        """Return the newest finished whole run of a stage with at least `least` of a count; null where there is none."""
        for entry in reversed(self.entries):
            rows = entry["counts"].get(count) or 0
            is_whole = entry["unit"] == WHOLE or entry["stage"] == "index"
            is_ours = entry["stage"] == stage and entry["state"] == "done" and is_whole
            if is_ours and rows >= max(1, self.least) and fits(entry):
                return entry
        return None


def measured_rates(ledger: Ledger, defaults: Mapping[str, float]) -> Iterator[Rate]:
    """Yield the rates that a ledger has; of those it lacks the `defaults` stay."""
    yield from _ingest_rates(ledger, defaults)
    yield from _embed_rates(ledger, defaults)
    yield from _index_rates(ledger)
    yield from _neighbour_rates(ledger)
    yield from _constants(ledger)


def tokens_of(ledger: Ledger) -> Rate | None:
    """Return the tokens of an item, of the newest run that computed enough; null where none did."""
    entry = ledger.newest(
        "embed", "computed", lambda entry: bool(entry["counts"].get("tokens")) and not _is_night(entry)
    )
    if entry is None:
        return None
    value = entry["counts"]["tokens"] / entry["counts"]["computed"]
    return Rate("embed.tokens", value, "tokens an item", "measured", _source(entry, "computed"))


def _ingest_rates(ledger: Ledger, defaults: Mapping[str, float]) -> Iterator[Rate]:
    """Yield the time of a run beyond what any run takes, on all cores, by the rows of the source."""
    entry = ledger.newest("ingest", "rows_in", lambda entry: entry["seconds"] > defaults["ingest.constant"])
    if entry is not None:
        seconds = entry["seconds"] - defaults["ingest.constant"]
        yield _rate("ingest.note", seconds * ledger.cores_of(entry) / entry["counts"]["rows_in"], entry, "rows_in")


def _embed_rates(ledger: Ledger, defaults: Mapping[str, float]) -> Iterator[Rate]:
    """Yield what an item takes of the model, of writing, and of all else, by the run that computed most of what it found.

    The model's seconds are those of its threads, one a worker; the others are wall time of all cores. Phases of preparing are
    not added up: their threads wait for each other.
    """
    first = ledger.newest("embed", "computed", lambda entry: "model_s" in entry["metrics"] and not _is_night(entry))
    if first is not None:
        yield from _item_rates(first, ledger, defaults)
    night = ledger.newest("embed", "notes_in", lambda entry: "write_s" in entry["metrics"] and _is_night(entry))
    if night is not None:
        written = night["metrics"]["write_s"] * ledger.cores_of(night) / night["counts"]["notes_in"]
        yield _rate("embed.rewrite", written, night, "notes_in")


def _item_rates(entry: Entry, ledger: Ledger, defaults: Mapping[str, float]) -> Iterator[Rate]:
    items = entry["counts"]["computed"]
    model = entry["metrics"]["model_s"] / items
    write = entry["metrics"].get("write_s", 0.0) * ledger.cores_of(entry) / items
    in_all = max(0.0, entry["seconds"] - defaults["embed.constant"]) * ledger.cores_of(entry) / items
    # A GPU computes beside the cores, a model on cores takes theirs.
    prepare = in_all - write - (0.0 if ledger.gpus else model)
    yield _rate("embed.prepare", max(0.0, prepare), entry, "computed")
    yield _rate("embed.write", write, entry, "computed")
    yield _rate("embed.model", model, entry, "computed", f"s of a {'GPU' if ledger.gpus else 'core'} an item")


def _is_night(entry: Entry) -> bool:
    """Say whether a run of embed found most items unchanged."""
    return bool(entry["counts"].get("unchanged", 0) > entry["counts"].get("computed", 0))


def _index_rates(ledger: Ledger) -> Iterator[Rate]:
    """Yield what a base took on all cores, over what its own plan foretold."""
    entry = ledger.newest("index", "rows", _is_base)
    if entry is None:
        return
    counts = entry["counts"]
    width = int(entry["unit"].removeprefix("w"))
    plan = plan_index(counts["rows"], width, IndexOverrides(nlist=counts["nlist"]))
    yield _rate("index.factor", entry["seconds"] * ledger.cores_of(entry) / plan.cpu_seconds, entry, "rows")


def _is_base(entry: Entry) -> bool:
    counts = entry["counts"]
    return entry["unit"].startswith("w") and "nlist" in counts and not counts.get("rows_since_base")


def _neighbour_rates(ledger: Ledger) -> Iterator[Rate]:
    """Yield what a full join took over its formula, on as many cores as it has cells, and the passes of an update."""
    join = ledger.newest("neighbours", "notes", lambda entry: JOIN_S in entry["metrics"])
    if join is not None:
        counts = join["counts"]
        foretold = neighbours.join_seconds(counts["notes"], counts["cells"], counts["overlap"], counts["width"])
        taken = join["metrics"][JOIN_S] * min(ledger.cores_of(join), counts["cells"])
        yield _rate("neighbours.factor", taken / foretold, join, "notes")
    update = ledger.newest("neighbours", "notes", lambda entry: PASS_S in entry["metrics"])
    if update is not None:
        taken = update["metrics"][PASS_S] * ledger.cores_of(update)
        yield _rate("neighbours.pass", taken / update["counts"]["notes"], update, "notes")


def _constants(ledger: Ledger) -> Iterator[Rate]:
    """Yield what stages took that do not grow with the notes, in a lake that has enough of them."""
    if ledger.newest("ingest", "notes", lambda entry: True) is None:
        return
    for stage in STAGES:
        ended = [entry for entry in ledger.entries if (entry["stage"], entry["state"]) == (stage, "done")]
        if ended:
            yield Rate(f"{stage}.constant", ended[-1]["seconds"], "s", "measured", f"run {ended[-1]['run_id']}")


def _rate(name: str, value: float, entry: Entry, count: str, unit: str | None = None) -> Rate:
    return Rate(name, float(value), unit or _UNITS[name], "measured", _source(entry, count))


def _source(entry: Entry, count: str) -> str:
    return f"run {entry['run_id']}, {entry['counts'][count]:,} {count}"
