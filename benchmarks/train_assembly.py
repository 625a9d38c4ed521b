"""The assembly of a training set: seconds, and the largest memory of the driver and of a worker, by the number of notes.

    python benchmarks/train_assembly.py [--notes 10000 200000]

Notes are drawn by tasks: texts and a caption each, one in four with two pictures of 8 × 8 pixels and words in them, one in
fifty a copy of another's text. Each size runs in a process of its own: `assembly_<thousands>k_s`, and for each `driver`,
`worker` and `jvm` (which holds executors too on one machine) `assembly_<it>_peak_mib`, by size; `assembly_driver_growth` is the
driver's peak at the largest size over that at the smallest. `reader` is what it takes to check and map the set afterwards.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image
from processes import memory_watched, run_apart
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StringType

from uninote.config.loading import load_config
from uninote.lake.schemas import IMAGE_BYTES, notes_table
from uninote.model.hashing.folder import write_card
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.session import open_session
from uninote.pipelines.training.training_set import make_training_set
from uninote.training.dataset import TrainingSet

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 200_000)
_IMAGE = pa.struct([("uri", pa.string()), ("ocr", pa.string()), ("caption", pa.string())])
_FILE = pa.struct([("uri", pa.string()), ("content", pa.binary())])
_TEXTS = ("note_id", "title", "body", "caption")
DRAWN = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        ("topics", pa.list_(pa.string())),
        ("images", pa.list_(_IMAGE)),
        ("files", pa.list_(_FILE)),
    ]
)


def assembled(notes: int) -> dict[str, Any]:
    """Make a lake of so many notes, and its training set; return what that took."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # An encoder without weights: the lake has to have one, and nobody asks it.
        write_card(folder / "model", (64,))
        overrides = (f"lake={folder / 'lake'}", "model.kind=feature-hashing", f"model.checkpoint={folder / 'model'}")
        spark = open_session("assembly", {"spark.ui.enabled": "false", "spark.local.dir": scratch})
        run = Run(spark, load_config(ROOT / "conf/local.yaml", overrides), overrides)
        _write_lake(run, notes)
        with memory_watched() as peak, _driver_watched() as driver:
            started = time.perf_counter()
            made = make_training_set(run)
            seconds = time.perf_counter() - started
        with _driver_watched() as reader:
            items = len(TrainingSet(made))
        spark.stop()
    mib = {"driver": driver[0], "worker": peak.worker_mib, "jvm": peak.jvm_mib, "reader": reader[0]}
    return {"seconds": round(seconds, 1), "items": items} | {name: round(value) for name, value in mib.items()}


@contextmanager
def _driver_watched() -> Iterator[list[float]]:
    """Watch this process: the largest resident memory seen, in MiB, of its own, without files that are mapped."""
    peak, stop = [0.0], threading.Event()

    def watch() -> None:
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            peak[0] = max(peak[0], *(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")))
            if stop.wait(0.05):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _write_lake(run: Run, notes: int) -> None:
    drawn = run.spark.range(0, notes, 1, max(2, notes // 5_000)).mapInArrow(_draw, from_arrow_schema(DRAWN))
    spec = notes_table(StringType())
    known = {field.name for field in from_arrow_schema(DRAWN)}
    empty = [
        f"CAST(NULL AS {one.dataType.simpleString()}) AS {one.name}" for one in spec.schema if one.name not in known
    ]
    shown = [
        f"CAST({one.name} AS {one.dataType.simpleString()}) AS {one.name}" for one in spec.schema if one.name in known
    ]
    tables.overwrite(drawn.selectExpr(*shown, *empty), spec, run.lake.uri(spec.name))
    files = drawn.selectExpr("inline(files)").dropDuplicates(["uri"])
    tables.overwrite(files, IMAGE_BYTES, run.lake.uri(IMAGE_BYTES.name))


def _draw(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_pylist(list(map(_note, batch.column(0).to_pylist())), schema=DRAWN)


def _note(number: int) -> dict[str, Any]:
    # A copy has the text of the note before it.
    generator = random.Random(number - (number % 50 == 1))
    title, caption = _words(generator, 6), _words(generator, 10)
    body = ". ".join(_words(generator, 12) for _ in range(8))
    images, files = [], []
    for place in range(2 if number % 4 == 0 else 0):
        content = _picture(generator.randbytes(3 * 64))
        uri = f"inline:{hashlib.sha256(content).hexdigest()}"
        images.append({"uri": uri, "ocr": _words(generator, 3), "caption": None if place else caption})
        files.append({"uri": uri, "content": content})
    texts = {"note_id": f"note-{number:09d}", "title": title, "body": body, "caption": caption}
    return texts | {"topics": [f"topic{number % 500}"], "images": images, "files": files}


def _words(generator: random.Random, count: int) -> str:
    return " ".join(f"word{generator.randrange(20_000)}" for _ in range(count))


def _picture(pixels: bytes) -> bytes:
    sink = io.BytesIO()
    Image.frombytes("RGB", (8, 8), pixels).save(sink, "PNG")
    return sink.getvalue()


def measure_assembly(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Return what each of `sizes` took, ascending, each in a process of its own."""
    found: dict[str, Any] = {}
    runs = {size: run_apart(Path(__file__), "--inner", str(size), threads=1) for size in sizes}
    for size, one in runs.items():
        found[f"assembly_{size // 1000}k_s"] = one["seconds"]
    for name in ("driver", "worker", "jvm", "reader"):
        found[f"assembly_{name}_peak_mib"] = {str(size): one[name] for size, one in runs.items()}
    found["assembly_items"] = {str(size): one["items"] for size, one in runs.items()}
    growth = runs[sizes[-1]]["driver"] / runs[sizes[0]]["driver"]
    return found | {"assembly_driver_growth": round(growth, 3)}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--inner", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    print(json.dumps(assembled(options.inner) if options.inner else measure_assembly(options.notes)))


if __name__ == "__main__":
    main()
