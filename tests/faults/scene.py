"""Lakes before and after every stage of two nights, each made once, undisturbed; faults work on copies of them."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from builders import make_image, make_note, write_source
from watching import Watcher

from uninote.model.hashing.folder import write_card

STAGES = ("ingest", "embed", "index", "codes", "neighbours", "release", "report")
NIGHTS = ("first", "second")
STEPS = tuple((stage, night) for night in NIGHTS for stage in STAGES)
WIDTHS = (32, 16)
CONFIG = """\
lake: {folder}/lake
ingest: {{source: {folder}/source}}
model: {{kind: feature-hashing, checkpoint: {folder}/model}}
embed: {{kinds: [note, image], chunk_items: 40, items_per_task: 20, undeclared_widths: true}}
index: {{kinds: [note, image], nlist: 8, num_shards: 3, pq_m: 8, compact_share: 2.0}}
codes: {{enabled: true, levels: 2, size: 8}}
neighbours:
  k: 4
  slack: 2
  cell_rows: 24
  overlap: 2
  recall_sample: 20
  full_share: 0.5
  tables: {{same_category: {{same: [category]}}, collapsed: {{duplicates: collapse}}}}
report: {{example_notes: 2, example_neighbours: 2}}
spark:
  spark.ui.enabled: "false"
  spark.sql.codegen.wholeStage: "false"
  spark.sql.codegen.factoryMode: NO_CODEGEN
  spark.sql.shuffle.partitions: "2"
  spark.databricks.delta.snapshotPartitions: "1"
  spark.driver.extraJavaOptions: "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
"""

WORDS = (
    "bread", "soup", "noodle", "garden", "hiking", "boots", "river", "temple", "monstera", "sourdough", "pork", "ramen", "city",
    "museum", "camera", "lens",
)  # fmt: skip


def make_notes(night: str) -> list[dict[str, object]]:
    """Return the notes of a night; in the second one, notes were edited, deleted, added, broken and mended."""
    notes = {number: _note(number) for number in range(64)}
    notes[60] = make_note("60", title="", body="", images=["cut.png"])  # nothing of it can be read
    notes[61] = make_note("61", title="", body="")
    if night == "second":
        for number in (3, 17, 31, 44):
            notes[number] = _note(number) | {"body": f"edited {WORDS[number % 7]} {number}"}
        for number in (5, 22, 40):
            del notes[number]
        notes[9] |= {"category": "c0"}
        notes[12] = make_note("12", title="", body="")  # had a vector
        notes[61] = _note(61)  # had none
        notes |= {number: _note(number) for number in range(64, 70)}
    return list(notes.values())


def _note(number: int) -> dict[str, object]:
    text = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5, 7))
    images = [f"{number % 5}.png"] if number % 3 == 0 else []
    copied = number % 20 in (2, 7)
    title, body = ("twice the same", "word for word") if copied else (f"note {number} {text}", text)
    return make_note(str(number), title=title, body=body, category=f"c{number % 4}", images=images)


@dataclass(frozen=True)
class Undisturbed:
    """A lake as a stage left it, and what the stage was seen to do below it."""

    lake: Path
    events: dict[str, int]


@dataclass
class Scene:
    """The source, the model and the configuration of all faults, in `folder`; and the lakes made so far."""

    folder: Path
    made: dict[tuple[str, str], Undisturbed] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> Scene:
        """Write source, model and configuration."""
        for number, colour in enumerate(("red", "green", "blue", "white", "black")):
            make_image(folder / "source" / f"{number}.png", colour)
        (folder / "source" / "cut.png").write_bytes(b"\x89PNG")
        write_card(folder / "model", WIDTHS, seed=5)
        (folder / "config.yaml").write_text(CONFIG.format(folder=folder))
        return cls(folder)

    def arguments(self, lake: Path, overrides: tuple[str, ...] = ()) -> list[str]:
        """Return the arguments of a job that works on `lake`."""
        given = [f"lake={lake}", *overrides]
        return ["--config", str(self.folder / "config.yaml"), *(part for one in given for part in ("--set", one))]

    def before(self, stage: str, night: str, lake: Path) -> None:
        """Make `lake` what it is before the stage, and the source what it is in that night."""
        position = STEPS.index((stage, night))
        if position:
            shutil.copytree(self.after(*STEPS[position - 1]).lake, lake)
        write_source(self.folder / "source", make_notes(night))

    def later(self, stage: str, night: str, lake: Path) -> None:
        """Make `lake` what it is after the stage, and the source what it is in that night."""
        shutil.copytree(self.after(stage, night).lake, lake)
        write_source(self.folder / "source", make_notes(night))

    def after(self, stage: str, night: str) -> Undisturbed:
        """Return what an undisturbed run of the stage left, made with all before it on first use."""
        if (stage, night) not in self.made:
            lake = self.folder / f"after-{stage}-{night}"
            self.before(stage, night, lake)
            with Watcher(lake) as watcher:
                code = run_here(stage, self.arguments(lake))
            assert code == 0, f"an undisturbed {stage} failed"
            self.made[stage, night] = Undisturbed(lake, watcher.counts())
        return self.made[stage, night]


def run_here(stage: str, arguments: list[str]) -> int:
    """Run a job in this process, whose Spark session is there already, and return its exit code."""
    code: int = importlib.import_module(f"jobs.{stage}").main(arguments)
    return code
