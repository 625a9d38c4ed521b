"""What a GPU makes of the model: the patch embedding, embedding, precision, a training step, and a join to compare with.

    python benchmarks/gpu.py

Needs PyTorch, transformers, tokenizers, safetensors, pyarrow, numpy and Pillow, and nothing from a network: weights are
random. Takes less than eight minutes; what fails or has no time left is named in the result, and the rest is measured.
Without CUDA the same code runs on the CPU with a tiny model, as a test of itself. The last line on stdout is one JSON
object, seconds with the suffix _s:
patch_embed_*: nn.Conv3d against the same weights as a product; text_*, one_image_*, four_images_*: notes of 200 tokens on
the embedding tasks' own path, from rows to vectors: throughput, peak memory, share of the bare model loop's throughput
over the same batches, and the share of time in which no kernel runs; cos_*: largest |cos - 1| of float32 on the CPU
against the device, and alone against in a batch; train_*: a step of stage 1; join_*: exact top 20 of all pairs.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that nothing need be installed

import numpy as np
import PIL
import pyarrow as pa
import torch
import transformers
from gpu_parts import LARGE, TINY, Parts, farthest, finish, seconds_of, timed
from gpu_training import training
from torch import nn
from torch.profiler import ProfilerActivity, profile
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionPatchEmbed

from udfs.embed.model_run import EmbedTask, embed_windows
from uninote.media.fetching import MediaPolicy
from uninote.model.qwen.encoder import NoteEncoder
from uninote.model.qwen.processing.processor import Prepared

Figures = dict[str, Any]

# A part that would begin later is left out, so that all of it takes less than eight minutes.
LATEST_START_S = 400
THREADS = 8  # that fetch and decode
MAX_BYTES, MAX_PIXELS = 32 << 20, 50_000_000
NAMES = {0: "text", 1: "one_image", 4: "four_images"}
PROFILED = 16  # batches
K, JOIN_ROWS, JOIN_BUDGET_S = 20, 2048, 60


class Recorder:
    """An encoder that keeps the batches it is given."""

    def __init__(self, encoder: NoteEncoder) -> None:
        self._encoder = encoder
        self.batches: list[Sequence[Prepared]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def embed(self, prepared: Sequence[Prepared]) -> np.ndarray:
        """Embed, and remember."""
        self.batches.append(prepared)
        return self._encoder.embed(prepared)


def patch_embed(parts: Parts, figures: Figures) -> None:
    """Time the patch embedding of some images as a convolution and as a product."""
    product = parts.tower.model.visual.patch_embed
    plain = copy.deepcopy(product)
    # The same weights behind the published way to compute them.
    plain.__class__ = Qwen3VLVisionPatchEmbed
    patches = parts.size.patch_images * (parts.size.image // 16) ** 2
    rows = torch.randn(patches, 3 * 2 * 16 * 16, device=parts.device, dtype=parts.dtype)
    with torch.inference_mode():
        figures["patch_embed_patches"] = patches
        figures["patch_embed_linear_s"] = seconds_of(lambda: product(rows), parts.device)
        figures["patch_embed_conv3d_s"] = seconds_of(lambda: plain(rows), parts.device)
        difference = (product(rows).float() - plain(rows).float()).abs().max()
    figures["patch_embed_max_difference"] = float(difference)


def embedding(parts: Parts, images: int, figures: Figures) -> None:
    """Measure the embedding tasks' own path over notes of `images` images, and the model alone on the same batches."""
    name, device = NAMES[images], parts.device
    rows = parts.rows(parts.size.notes[images], images)
    recorder = Recorder(parts.encoder)
    _embed_rows(recorder, rows)  # warms up, and records
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    vectors = tokens = 0

    def ours() -> None:
        nonlocal vectors, tokens
        vectors, tokens = _embed_rows(parts.encoder, rows)

    seconds = timed(ours, device)
    figures |= {
        f"{name}_notes": vectors,
        f"{name}_notes_per_s": vectors / seconds,
        f"{name}_tokens_per_s": tokens / seconds,
        f"{name}_images_per_s": images * vectors / seconds,
    }
    if device.type == "cuda":
        figures[f"{name}_peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    batches = [parts.processor.collate(batch, device) for batch in recorder.batches]
    with torch.inference_mode():
        figures[f"{name}_vs_bare_loop"] = timed(lambda: _bare(parts, batches), device) / seconds
        if device.type == "cuda":
            busy = _busy_seconds(parts, batches)
            figures[f"{name}_idle_share"] = 1 - busy / seconds


def _embed_rows(encoder: Any, rows: pa.Table) -> tuple[int, int]:
    """Return how many notes came out with a vector, and how many tokens they had."""
    task = EmbedTask(None, THREADS, MediaPolicy((), MAX_BYTES, MAX_PIXELS))
    with ThreadPoolExecutor(THREADS) as pool:
        works = [work for window in embed_windows(encoder, rows.to_batches(), task, pool) for work in window.works]
    if failed := [work.rejects for work in works if work.vector is None]:
        raise RuntimeError(f"{len(failed)} notes have no vector: {failed[0]}")
    return len(works), sum(work.tokens for work in works)


def _bare(parts: Parts, batches: Sequence[dict[str, torch.Tensor]]) -> None:
    for batch in batches:
        parts.tower(batch).cpu()


def _busy_seconds(parts: Parts, batches: Sequence[dict[str, torch.Tensor]]) -> float:
    """Return for how long kernels run over all batches, told from some of them spread evenly."""
    chosen = batches[:: max(1, len(batches) // PROFILED)]
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        _bare(parts, chosen)
        finish(parts.device)
    spans = [event.time_range for event in profiled.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    busy = covered([(span.start, span.end) for span in spans]) / 1e6
    # Kernels of some batches are counted, as tracing them all would take longer than they do.
    return busy * _padded(batches) / _padded(chosen)


def _padded(batches: Sequence[dict[str, torch.Tensor]]) -> int:
    return sum(batch["input_ids"].numel() for batch in batches)


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def precision(parts: Parts, figures: Figures) -> None:
    """Compare the device's vectors with float32 on the CPU, and those of notes alone with those in a batch."""
    count = parts.size.compared
    lengths = np.linspace(parts.size.tokens / 8, parts.size.tokens, count).astype(int)
    prepared = [parts.prepared(int(length), number % 4 == 3) for number, length in enumerate(lengths)]
    together = parts.encoder.embed(prepared)
    alone = np.concatenate([parts.encoder.embed([one]) for one in prepared])
    figures["cos_alone_in_batch"] = farthest(alone, together)
    others = together @ together.T
    figures["cos_between_notes"] = float(others[~np.eye(count, dtype=bool)].mean())
    cpu = torch.device("cpu")
    exact = parts.encoder_of(copy.deepcopy(parts.tower).to(cpu), cpu, torch.float32)
    figures["cos_cpu_float32"] = farthest(exact.embed(prepared), together)


def join(parts: Parts, figures: Figures) -> None:
    """Time the exact K nearest of all pairs of unit vectors, of some rows where all would take too long."""
    parts.free()
    rows, device = parts.size.join_rows, parts.device
    generator = torch.Generator(device).manual_seed(0)
    vectors = torch.randn(rows, parts.size.join_width, device=device, generator=generator)
    vectors = nn.functional.normalize(vectors, dim=1)
    timed(lambda: _nearest(vectors, 0), device)
    started, done = time.perf_counter(), 0
    while done < rows and time.perf_counter() - started < JOIN_BUDGET_S:
        _nearest(vectors, done)
        finish(device)
        done = min(rows, done + JOIN_ROWS)
    seconds = time.perf_counter() - started
    figures |= {"join_rows": rows, "join_share_timed": done / rows, "join_s": seconds * rows / done}


def _nearest(vectors: torch.Tensor, start: int) -> torch.Tensor:
    """Return int64 (rows, K): the nearest other rows of the JOIN_ROWS from `start` on."""
    scores = vectors[start : start + JOIN_ROWS] @ vectors.T
    scores[torch.arange(len(scores)), torch.arange(start, start + len(scores))] = -torch.inf
    return scores.topk(K, dim=1).indices


def main() -> None:
    """Measure part after part and print one JSON object."""
    is_cuda = torch.cuda.is_available()
    started = time.perf_counter()
    device = torch.device("cuda" if is_cuda else "cpu")
    size = LARGE if is_cuda else TINY
    figures: Figures = {
        "device": torch.cuda.get_device_name() if is_cuda else "cpu (no CUDA: a test of the code, no measurement)",
        "model": size.name,
        "dtype": "bfloat16" if is_cuda else "float32",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "pillow": PIL.__version__},
    }
    if not is_cuda:
        torch.set_num_threads(1)
    parts = Parts(size, device)
    works: list[tuple[str, Callable[[], None]]] = [("patch_embed", lambda: patch_embed(parts, figures))]
    for images, name in NAMES.items():
        works.append((name, lambda images=images: embedding(parts, images, figures)))
    works += [("cos", lambda: precision(parts, figures)), ("train", lambda: training(parts, figures))]
    works.append(("join", lambda: join(parts, figures)))
    for name, work in works:
        _measure(name, work, figures, time.perf_counter() - started)
    figures["seconds"] = time.perf_counter() - started
    print(json.dumps({name: _short(value) for name, value in figures.items()}))


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _measure(name: str, work: Callable[[], None], figures: Figures, elapsed: float) -> None:
    """Do one part; a machine with a GPU is rare, so the failure of one does not cost the others."""
    print(f"{name}: begins after {elapsed:.0f} s", file=sys.stderr)
    if elapsed > LATEST_START_S:
        figures[f"{name}_failed"] = f"no time left after {elapsed:.0f} s"
        return
    try:
        work()
    except Exception as error:
        figures[f"{name}_failed"] = f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
