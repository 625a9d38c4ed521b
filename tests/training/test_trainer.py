import hashlib
import json

import numpy as np
import pytest
import torch
from coloured_discs import set_rows
from safetensors.torch import load_file

from uninote.config.sections.limits import LimitsConfig
from uninote.config.sections.training import ContrastiveConfig, LoraConfig
from uninote.evaluation.retrieval import evaluate
from uninote.model.encoder import describe, load_encoder
from uninote.model.identity.folders import CheckpointError
from uninote.model.qwen.files import checkpoint
from uninote.notes.note import Note
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.writer import write_training_set
from uninote.training.loop.errors import TrainingError
from uninote.training.loop.objectives import make_objective
from uninote.training.trainer import CHECKPOINT, LOG, STATES, Trainer, train


def weights(folder):
    return load_file(folder / CHECKPOINT / "model.safetensors")


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / LOG).read_text().splitlines()]


@pytest.mark.parametrize("change", [{}, {"stage": "ranking"}, {"augment": True, "contrastive": ContrastiveConfig()}])
def test_a_stopped_and_resumed_run_ends_with_equal_bits(start, training_set, config, tmp_path, change):
    config = config.model_copy(update=change)
    full = train(start, training_set, tmp_path / "whole", config)
    with Trainer(start, training_set, tmp_path / "parts", config, None) as trainer:
        trainer.run(until=3)
    (tmp_path / "parts" / STATES / ".step-00000004").mkdir()  # killed while it wrote the next state and a line
    with (tmp_path / "parts" / LOG).open("a") as log:
        log.write('{"step": 4, "lo')
    resumed = train(start, training_set, tmp_path / "parts", config)
    assert (full.resumed_at, resumed.resumed_at) == (0, 3)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert all(
        torch.equal(a, b) for a, b in zip(*(weights(tmp_path / n).values() for n in ("whole", "parts")), strict=True)
    )


def test_training_lowers_the_loss_and_the_result_is_an_encoder_of_another_generation(
    start, training_set, config, tmp_path
):
    config = config.model_copy(
        update={"steps": 36, "learning_rate": 1e-3, "checkpoint_every": 100, "batch": 8, "chunk_tokens": 2048}
    )
    done = train(start, training_set, tmp_path / "run", config)
    found = losses(tmp_path / "run")
    assert np.mean(found[-6:]) < 0.8 * np.mean(found[:6])
    before, after = describe("uninote", start), describe("uninote", done.checkpoint)
    assert after.widths == before.widths
    assert after.generation != before.generation
    encoder = load_encoder(done.checkpoint, threads=1)
    assert encoder.embed([encoder.prepare(Note(title="red"), [])]).shape == (1, 256)


def test_trained_widths_are_declared(start, training_set, config, tmp_path):
    config = config.model_copy(update={"steps": 1, "widths": (32, 256)})
    assert describe("uninote", train(start, training_set, tmp_path / "run", config).checkpoint).widths == (32, 256)
    with pytest.raises(TrainingError, match="full width, 256"):
        train(start, training_set, tmp_path / "b", config.model_copy(update={"widths": (32, 64)}))


def test_limits_hold_in_training_are_declared_and_belong_to_the_run(start, training_set, config, tmp_path):
    with Trainer(start, training_set, tmp_path / "run", config, None) as trainer:
        trainer.run(until=3)
    fewer = config.model_copy(
        update={"limits": LimitsConfig(max_tokens=30, max_images=2, max_pixels=4096), "log_every": 1}
    )
    with pytest.raises(TrainingError, match="other settings, model or training set"):
        Trainer(start, training_set, tmp_path / "run", fewer, None)
    # Limits that say what the checkpoint says are no other run.
    own = config.model_copy(update={"limits": LimitsConfig(max_tokens=512)})
    assert train(start, training_set, tmp_path / "run", own).resumed_at == 3

    done = train(start, training_set, tmp_path / "few", fewer)
    limits = checkpoint.read_card(done.checkpoint).limits
    assert (limits.max_tokens, limits.max_images, limits.max_pixels) == (30, 2, 4096)
    assert [json.loads(line)["images_left_out"] for line in (tmp_path / "few" / LOG).read_text().splitlines()] == [
        0
    ] * 6
    long = Note(title="red things " * 20)
    assert load_encoder(done.checkpoint, threads=1).prepare(long, []).num_tokens == 30
    impossible = config.model_copy(update={"limits": LimitsConfig(max_tokens=5000)})
    with pytest.raises(CheckpointError, match=r"max_tokens is 5000; config\.json has 4096 positions"):
        train(start, training_set, tmp_path / "none", impossible)


def test_siblings_are_trained_on_unnamed_and_measured(start, config, tmp_path):
    rows = set_rows()
    for group in range(0, len(rows["items"]), 3):
        own = rows["items"][group]
        other = {"item": len(rows["items"]), **{name: own[name] for name in own if name != "item"}}
        rows["items"].append(other | {"images": rows["items"][(group + 3) % 30]["images"]})
        ends = {"strategy": "image_to_image", "query": group, "positive": other["item"], "split": own["split"]}
        rows["examples"].append(ends | {"negatives": [], "positive_score": None, "negative_scores": None})
    write_training_set(tmp_path / "set", rows)
    data = TrainingSet(tmp_path / "set")
    train(start, data, tmp_path / "run", config)
    lines = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert "image_to_image" in {line["strategy"] for line in lines}
    table = evaluate("trained", load_encoder(tmp_path / "run" / CHECKPOINT, threads=1), data, (256,))
    assert table.of("image_to_image", 256).queries == 2


def test_what_is_cut_is_counted(start, training_set, config, tmp_path):
    config = config.model_copy(
        update={"limits": LimitsConfig(max_tokens=26, max_images=2, max_pixels=4096), "steps": 2}
    )
    train(start, training_set, tmp_path / "run", config)
    lines = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert sum(line["cut"] for line in lines) > 0


def test_a_finished_run_is_not_trained_again(start, training_set, config, tmp_path):
    train(start, training_set, tmp_path / "run", config)
    before = weights(tmp_path / "run")
    again = train(start, training_set, tmp_path / "run", config)
    assert (again.resumed_at, again.loss) == (6, None)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), weights(tmp_path / "run").values(), strict=True))


def test_a_state_of_another_run_is_refused(start, training_set, config, tmp_path):
    with Trainer(start, training_set, tmp_path, config, None) as trainer:
        trainer.run(until=3)
    with pytest.raises(TrainingError, match="other settings, model or training set"):
        Trainer(start, training_set, tmp_path, config.model_copy(update={"learning_rate": 0.5}), None)


def test_a_state_from_before_settings_that_it_does_not_use_goes_on(start, training_set, config, tmp_path):
    with Trainer(start, training_set, tmp_path, config, None) as trainer:
        trainer.run(until=3)
    later = {"limits": True, "hide_texts": True, "depths": True, "contrastive": {"turns"}}
    settings = config.model_dump_json(exclude={"checkpoint_every": True, "log_every": True, **later})
    described = describe("uninote", start)
    values = json.dumps([settings, described.generation, training_set.digest])
    (state,) = (tmp_path / STATES).iterdir()
    stored = json.loads((state / "state.json").read_text())["fingerprint"]
    assert stored == hashlib.sha256(values.encode()).hexdigest()[:16]
    with pytest.raises(TrainingError, match="other settings, model or training set"):
        Trainer(start, training_set, tmp_path, config.model_copy(update={"hide_texts": 0.5}), None)


def test_a_state_written_under_another_pillow_by_an_earlier_release_goes_on(
    start, training_set, config, tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "PILLOW", "12.2.0")
        with Trainer(start, training_set, tmp_path, config, None) as trainer:
            trainer.run(until=3)
    assert train(start, training_set, tmp_path, config).resumed_at == 3


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_state(start, training_set, config, tmp_path):
    with Trainer(start, training_set, tmp_path, config, None) as trainer:
        trainer.run(until=3)
        with torch.no_grad():
            next(iter(trainer.backbone.parameters.values())).fill_(torch.nan)
        with pytest.raises(TrainingError, match=r"step 4, .*loss nan"):
            trainer.run()
    stored = load_file(next((tmp_path / STATES).iterdir()) / "state.safetensors")
    assert all(torch.isfinite(value).all() for value in stored.values() if value.is_floating_point())


def test_adapters_are_trained_alone_merged_and_read_by_the_encoder(start, training_set, config, tmp_path):
    pytest.importorskip("peft")
    config = config.model_copy(update={"lora": LoraConfig(rank=2, alpha=4), "learning_rate": 0.02, "dtype": "bfloat16"})
    with Trainer(start, training_set, tmp_path / "run", config, None) as trainer:
        assert all("lora_" in name for name in trainer.backbone.parameters)
    train(start, training_set, tmp_path / "run", config)
    before, after = load_file(start / "model.safetensors"), weights(tmp_path / "run")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model" in name and "_proj" in name for name in changed)
    load_encoder(tmp_path / "run" / CHECKPOINT)


def test_ranking_with_adapters_takes_the_start_as_reference(start, training_set, config, tmp_path):
    pytest.importorskip("peft")
    config = config.model_copy(update={"lora": LoraConfig(rank=2), "stage": "ranking", "steps": 2})
    train(start, training_set, tmp_path / "run", config)
    assert np.isfinite(losses(tmp_path / "run")).all()


def test_a_set_without_teacher_trains_with_infonce_and_refuses_symmetric_kl(start, config, tmp_path):
    write_training_set(tmp_path / "set", set_rows(scores=False))
    plain = TrainingSet(tmp_path / "set")
    train(start, plain, tmp_path / "run", config.model_copy(update={"steps": 1}))
    soft = ContrastiveConfig(loss="symmetric_kl", tau=0.02)
    with pytest.raises(TrainingError, match="make the set with a teacher"):
        train(start, plain, tmp_path / "soft", config.model_copy(update={"contrastive": soft}))


def test_a_strategy_without_scores_is_trained_by_infonce_beside_one_with_them(start, config, tmp_path):
    rows = set_rows()
    for row in rows["examples"]:
        if row["strategy"] == "image_to_text":
            row |= {"negatives": [], "positive_score": None, "negative_scores": None}
    write_training_set(tmp_path / "set", rows)
    soft = config.model_copy(update={"contrastive": ContrastiveConfig(loss="symmetric_kl", tau=0.1, in_batch=False)})
    mixed = TrainingSet(tmp_path / "set")
    objective = make_objective(mixed, soft, (16,))
    rows["examples"] = [row for row in rows["examples"] if row["strategy"] == "image_to_text"]
    write_training_set(tmp_path / "alone", rows)
    plain = ContrastiveConfig(tau=0.1, strategies=("image_to_text",))
    hard = make_objective(TrainingSet(tmp_path / "alone"), config.model_copy(update={"contrastive": plain}), (16,))
    steps = {}
    for number in range(3):
        steps[objective.step(number).name] = objective.step(number)
    step, expected = steps["image_to_text"], hard.step(0)
    assert step.items.tolist() == expected.items.tolist()
    vectors = torch.nn.functional.normalize(torch.randn(len(step.items), 16), dim=1)
    assert float(step.loss_of(vectors, None)) == float(expected.loss_of(vectors, None)) > 0
    train(start, mixed, tmp_path / "run", soft.model_copy(update={"steps": 3}))
    assert np.isfinite(losses(tmp_path / "run")).all()

    rows["examples"][0] |= {"positive_score": 0.5}
    write_training_set(tmp_path / "some", rows)
    with pytest.raises(TrainingError, match="examples of image_to_text lack some"):
        make_objective(TrainingSet(tmp_path / "some"), soft, (16,))


def test_symmetric_kl_trains_on_a_teachers_scores(start, training_set, config, tmp_path):
    soft = ContrastiveConfig(loss="symmetric_kl", tau=0.1)
    config = config.model_copy(
        update={"contrastive": soft, "steps": 18, "learning_rate": 3e-3, "batch": 8, "chunk_tokens": 2048}
    )
    train(start, training_set, tmp_path / "run", config)
    found = losses(tmp_path / "run")
    assert np.mean(found[-6:]) < np.mean(found[:6])


def test_a_strategy_that_is_not_there_is_named(start, training_set, config, tmp_path):
    wrong = config.model_copy(update={"contrastive": ContrastiveConfig(strategies=("image_to_ocr",))})
    with pytest.raises(TrainingError, match="image_to_ocr"):
        train(start, training_set, tmp_path, wrong)
