"""Embed: the model computes what changed; files that hold a changed item are written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uninote.planning.case import Case
from uninote.planning.rates import Rate
from uninote.planning.stage_cost import StageCost
from uninote.planning.storage import embeddings_bytes, items_bytes, rewritten_share

GPU_FLOPS = 989e12  # of an H100 SXM in bfloat16, dense: NVIDIA's data sheet
UTILISATION = 0.4  # of that, by large batches of long texts; PaLM reached 0.46 in training (Chowdhery et al. 2022)
# Of one core in the linear layers of a model: MiniLM (11e6 parameters beside its words), 78 tokens, 80 notes a second
# (docs/encoders.md, "Small batches").
CORE_FLOPS = 1.4e11
GPU_PARAMETERS = 2_000_000_000  # Qwen3-VL-Embedding-2B
CORE_PARAMETERS = 21_000_000  # multilingual-e5-small beside its table of words
_KEY_BYTES = 40  # of an item on its way to be numbered: hashes of its id and content, and its key
# Of a worker (docs/operations.md, Memory): Python with torch, three portions of prepared notes, pixels on their way, a window
# of rows and an Arrow batch.
_TASK_BYTES = (500 << 20) + 3 * 192_000_000 + 256_000_000 + 2 * 64_000_000


def model_rate(parameters: int, tokens: int, on_gpu: bool) -> Rate:
    """Return the seconds of a device for one item: 2 FLOP a parameter and token (Kaplan et al. 2020, 2.1: a forward pass)."""
    flops = GPU_FLOPS * UTILISATION if on_gpu else CORE_FLOPS
    device = "an H100 at 989e12 FLOP/s, 0.4 of them used" if on_gpu else f"a core at {CORE_FLOPS:.1e} FLOP/s"
    source = f"2 x {parameters:,} parameters x {tokens:,} tokens, by {device} (uninote/planning/embed.py)"
    return Rate("embed.model", 2 * parameters * tokens / flops, "s of a GPU or core an item", "default", source)


def first(case: Case) -> StageCost:
    """Return what embedding all notes takes."""
    return _cost(case, case.workload.notes, 1.0)


def night(case: Case) -> StageCost:
    """Return what a night takes: the changed notes for the model, and each file that holds one of them to write again."""
    share = rewritten_share(case.workload, case.settings.embed.chunk_items)
    return _cost(case, case.workload.changed, share)


def _cost(case: Case, items: int, rewritten: float) -> StageCost:
    """Return what so many items for the model take, and a share of all files that is `rewritten`."""
    workload, rates, on_gpus = case.workload, case.rates, case.machines.gpus > 0
    on_cores = items * (rates["embed.prepare"] + rates["embed.write"]) + _image_seconds(case, items)
    on_cores += max(0.0, workload.notes * rewritten - items) * rates["embed.rewrite"]
    model = items * rates["embed.model"]
    return StageCost(
        "embed",
        core_seconds=on_cores if on_gpus else on_cores + model,
        gpu_seconds=model if on_gpus else 0.0,
        constant_s=rates["embed.constant"],
        tasks=max(1, -(-items // case.settings.embed.items_per_task)),
        task_bytes=_TASK_BYTES,
        shuffled_bytes=items * (_KEY_BYTES + workload.id_bytes),
        written_bytes=round(rewritten * (embeddings_bytes(workload) + items_bytes(workload, rates))),
    )


def _image_seconds(case: Case, items: int) -> float:
    """Return what images take: those of `items` are decoded; all are looked at, by `media.threads` of a task at once."""
    images = case.workload.images_per_note
    notes = case.workload.notes if case.settings.embed.recheck_media else items
    looked = notes * images * case.rates["embed.look"] / case.settings.media.threads
    return looked + items * images * case.rates["embed.image"]


def seconds_by_ledger(entries: Sequence[Mapping[str, Any]], items: int) -> float | None:
    """Return about how many seconds `items` take on the lake's own machines: the shortest run, and above it a rate.

    The rate is that of the run that computed most. `entries` are the ledger's of whole runs; null where none computed anything.
    """
    done = [entry for entry in entries if entry["state"] == "done"]
    largest = max(done, key=_computed, default=None)
    if largest is None or not _computed(largest):
        return None
    least = min(entry["seconds"] for entry in done)
    # A lake with a single run has no shorter one: all of that run's time is then taken for the rate.
    constant = least if least < largest["seconds"] else 0.0
    rate = (largest["seconds"] - constant) / _computed(largest)
    return float(round(constant + rate * items, 1))


def _computed(entry: Mapping[str, Any]) -> int:
    return int(entry["counts"].get("computed") or 0)
