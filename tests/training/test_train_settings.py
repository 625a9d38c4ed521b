import pytest
from pydantic import ValidationError

from uninote.config.sections.training import TrainingConfig
from uninote.training.settings import ContrastiveConfig, LimitsConfig, TrainConfig, paper_stage_one, paper_stage_two


def test_the_papers_values():
    one, two = paper_stage_one(), paper_stage_two()
    assert (one.lora.rank, one.learning_rate, one.warmup, one.steps, one.batch) == (16, 1e-4, 0.1, 4000, 64)
    assert (one.contrastive.loss, one.contrastive.tau, one.contrastive.negatives) == ("symmetric_kl", 0.02, 8)
    assert one.widths == (64, 512, 1024, 4096)
    assert one.limits.max_tokens == two.limits.max_tokens == 4096
    assert (two.stage, two.learning_rate, two.batch, two.dtype, two.steps * two.batch) == (
        "ranking",
        5e-7,
        8,
        "bfloat16",
        60_000,
    )


def test_settings_are_closed_strict_and_frozen():
    with pytest.raises(ValidationError):
        TrainConfig(step=3)
    with pytest.raises(ValidationError):
        TrainConfig(steps="3")
    with pytest.raises(ValidationError):
        TrainConfig().steps = 3
    assert TrainConfig.model_validate_json(paper_stage_one().model_dump_json()) == paper_stage_one()


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValidationError, match="note_pairs too"):
        TrainingConfig(shared_images=True)
    with pytest.raises(ValidationError, match="at least 1 item"):
        ContrastiveConfig(strategies=())
    with pytest.raises(ValidationError, match="ascending"):
        TrainConfig(widths=(64, 32))
    with pytest.raises(ValidationError, match="nothing to be told from"):
        ContrastiveConfig(loss="symmetric_kl", negatives=0)
    with pytest.raises(ValidationError, match="judge scores the candidates that a teacher finds"):
        TrainingConfig(judge="a.b:c")
    with pytest.raises(ValidationError, match="should match pattern"):
        TrainingConfig(judge="a.b", teacher="model")


def test_depths_are_pairs_from_small_to_large():
    read = TrainConfig.model_validate({"depths": [[1, 64], [2, 128]]})
    assert read.depths == ((1, 64), (2, 128))
    for depths in ([[2, 64], [1, 128]], [[1, 64], [2, 64]]):
        with pytest.raises(ValidationError, match="should go from small to large in both"):
            TrainConfig.model_validate({"depths": depths})
    for depths in ([[1]], [["1", 64]], [[0, 64]]):
        with pytest.raises(ValidationError, match="depths"):
            TrainConfig.model_validate({"depths": depths})


@pytest.mark.parametrize(
    ("window", "unit"),
    [
        ((0.7, 0.5), "cosine"),
        ((0.5, 0.5), "cosine"),
        ((-1.5, 0.5), "cosine"),
        ((float("nan"), 0.5), "cosine"),
        ((-0.1, 0.5), "quantile"),
        ((0.5, 1.1), "quantile"),
    ],
)
def test_a_window_that_nothing_lies_in_is_refused_before_a_teacher_embeds_anything(window, unit):
    with pytest.raises(ValidationError, match=r"to 1, the lower one first"):
        TrainingConfig(window=window, window_unit=unit)


def test_soft_labels_without_hard_negatives_are_refused():
    soft = TrainConfig(contrastive=ContrastiveConfig(loss="symmetric_kl"))
    with pytest.raises(ValidationError, match=r"training\.negatives is 0"):
        TrainingConfig(teacher="model", negatives=0, contrastive=soft)


def test_the_fewest_images_of_any_limits_are_those_that_all_models_see():
    none, two, three = LimitsConfig(), LimitsConfig(max_images=2), LimitsConfig(max_images=3)
    assert TrainingConfig().images_seen(none) is None
    assert TrainingConfig().images_seen(three) == 3
    assert TrainingConfig(contrastive=TrainConfig(limits=two)).images_seen(three) == 2
    assert TrainingConfig(ranking=TrainConfig(stage="ranking", limits=two)).images_seen(none) == 2
