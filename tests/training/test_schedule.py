from collections import Counter

import numpy as np
import pytest

from uninote.training.loop.errors import TrainingError
from uninote.training.loop.objectives import make_objective
from uninote.training.loop.schedule import rows_of, turn


def test_each_strategy_has_one_turn_a_round_in_changing_order():
    turns = [turn("abc", 1, step) for step in range(30)]
    rounds = [turns[start : start + 3] for start in range(0, 30, 3)]
    assert all(sorted(name for name, _ in one) == ["a", "b", "c"] for one in rounds)
    assert [number for _, number in turns] == [step // 3 for step in range(30)]
    assert len({tuple(name for name, _ in one) for one in rounds}) > 1


def test_an_epoch_shows_each_row_at_most_once_and_the_next_has_another_order():
    batches = [rows_of(10, 3, (5, 0), number) for number in range(6)]
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert len(set(first.tolist())) == len(set(second.tolist())) == 9
    assert first.tolist() != second.tolist()


def test_rows_depend_on_seed_list_and_number_only():
    assert rows_of(100, 8, (1, 2), 7).tolist() == rows_of(100, 8, (1, 2), 7).tolist()
    assert len({tuple(rows_of(100, 8, key, 7)) for key in ((1, 2), (1, 3), (2, 2))}) == 3


def test_a_list_shorter_than_a_batch_comes_whole():
    assert sorted(rows_of(3, 8, (0, 0), 4).tolist()) == [0, 1, 2]


def test_a_strategy_takes_the_turns_that_it_is_given_with_batches_of_its_own(training_set, config):
    chosen = {"strategies": ("image_to_text", "text_to_image"), "turns": {"image_to_text": 3}}
    contrastive = config.contrastive.model_copy(update=chosen)
    objective = make_objective(training_set, config.model_copy(update={"contrastive": contrastive}), (64, 256))
    steps = [objective.step(number) for number in range(8)]
    for start in (0, 4):
        assert Counter(step.name for step in steps[start : start + 4]) == {"image_to_text": 3, "text_to_image": 1}
    of_images = [tuple(step.items.tolist()) for step in steps if step.name == "image_to_text"]
    assert len(set(of_images)) == len(of_images)
    strange = contrastive.model_copy(update={"turns": {"note_to_note": 2}})
    with pytest.raises(TrainingError, match="note_to_note"):
        make_objective(training_set, config.model_copy(update={"contrastive": strange}), (64, 256))
