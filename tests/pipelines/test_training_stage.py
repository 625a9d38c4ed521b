"""From a lake to a trained checkpoint and its scores, and what a teacher adds, on a handful of notes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from uninote.errors import UninoteError
from uninote.evaluation.retrieval import DESCRIBED, UNDESCRIBED
from uninote.model.encoder import describe
from uninote.pipelines.lake import tables
from uninote.pipelines.stages import run_stage
from uninote.pipelines.training.training_set import training_set
from uninote.training.dataset.strategies import Strategy

pytestmark = [pytest.mark.spark, pytest.mark.slow]

QUICK = "steps: 2, batch: 8, keep_graphs: true, log_every: 1"
SETTINGS = (
    "demo.notes=60",
    "training.eval_share=0.2",
    f"training.contrastive={{{QUICK}}}",
    f"training.ranking={{stage: ranking, {QUICK}, ranking: {{group: 4}}}}",
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """One lake, which the first test fills."""
    return tmp_path_factory.mktemp("training") / "lake"


@pytest.fixture
def run_of(make_run, lake):
    return lambda *overrides: make_run(f"lake={lake}", *SETTINGS, *overrides)


@pytest.fixture(scope="module")
def made():
    """What `trained` keeps."""
    return []


@pytest.fixture
def trained(run_of, made):
    """What a run of train on that lake said, made once."""
    if not made:
        made.append(run_stage(run_of(), "train"))  # ingests the demo corpus first
    return made[0]


def test_a_model_is_trained_measured_and_not_trained_twice(run_of, trained, lake):
    checkpoint = Path(trained["checkpoint"])
    assert describe("uninote", checkpoint).widths == (64, 128, 256)
    measured = {one.value for one in Strategy} - {"image_to_image"} | {DESCRIBED, UNDESCRIBED}
    assert measured == {name.rsplit("_w", 1)[0] for name in trained["recall_at_10"]}
    evaluation = json.loads((checkpoint / "evaluation.json").read_text())
    names = [table["name"] for table in evaluation["tables"]]
    assert names == ["trained", "TF-IDF", "text_only", "image_only", "random_images", "start", "contrastive"]
    logs = [checkpoint.parent.parent / stage / "log.jsonl" for stage in ("contrastive", "ranking")]
    before = [log.read_text() for log in logs]
    assert all(before)
    assert run_stage(run_of(), "train")["recall_at_10"] == trained["recall_at_10"]
    assert [log.read_text() for log in logs] == before

    measured = run_stage(run_of(f"model.checkpoint={checkpoint}"), "evaluate")
    assert measured["recall_at_10"] == trained["recall_at_10"]
    assert tables.read_table(run_of().spark, f"{lake}/runs").where("stage = 'train'").count() == 2


@pytest.mark.more
def test_several_processes_share_each_batch(run_of, trained, tmp_path):
    output = f"training.output={tmp_path / 'shared'}"
    run_stage(run_of("training.processes=2", "training.ranking=null", output), "train")
    alone = losses(Path(trained["checkpoint"]).parent.parent)
    assert len(set(alone)) > 1
    assert losses(tmp_path / "shared") == pytest.approx(alone, rel=1e-4)


def losses(folder):
    """Return the loss of each contrastive step."""
    lines = (folder / "contrastive" / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.mark.long
def test_a_teacher_scores_every_example_and_finds_hard_negatives(run_of):
    run_stage(run_of(), "ingest")
    teacher = ("training.teacher=model", "training.window=[0.5, 0.9]")
    data = training_set(run_of(*teacher, "training.window_unit=quantile"))
    examples = data.examples(Strategy.TEXT_TO_NOTE, "train")
    assert examples.scores is not None
    assert (examples.candidates[:, 1:] >= 0).sum() > 2 * len(examples)
    counts = data.manifest["counts"]
    assert counts["unscored/text_to_note"] == 0
    assert counts["without_negatives/text_to_note"] < len(examples) / 2
    with pytest.raises(UninoteError, match=r"image_to_text \(\d+ of \d+\).*window_unit: quantile"):
        training_set(run_of("training.teacher=model", "training.window=[0.9999, 1.0]"))
    plain = training_set(run_of())
    assert plain.digest != data.digest
    assert plain.examples(Strategy.TEXT_TO_NOTE, "train").scores is None

    start = run_of().model.folder
    kl = "contrastive: {loss: symmetric_kl, tau: 0.02, in_batch: false}, lora: {rank: 4}, learning_rate: 0.01"
    trained = run_stage(
        run_of(
            f"training.start={start}",
            "training.teacher=model",
            "training.window=[-0.9, 0.99]",
            f"training.contrastive={{{QUICK}, {kl}}}",
            "training.ranking=null",
        ),
        "train",
    )
    assert describe("uninote", Path(trained["checkpoint"])).generation != describe("uninote", start).generation
