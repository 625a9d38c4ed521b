import numpy as np
import pytest
import torch

from uninote.training.loop.errors import TrainingError
from uninote.training.loop.losses import ContrastiveBatch, ContrastiveLoss, symmetric_kl, truncated

RANDOM = np.random.default_rng(5)


def softmax(values):
    exponents = np.exp(values - values.max())
    return exponents / exponents.sum()


def unit_rows(rows, width=8):
    vectors = RANDOM.standard_normal((rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def batch_of(queries, candidates, scores=None, groups=None):
    return ContrastiveBatch(
        torch.tensor(queries),
        torch.tensor(candidates),
        None if scores is None else torch.tensor(scores, dtype=torch.float32),
        torch.tensor(groups if groups is not None else range(100)),
    )


def test_symmetric_kl_is_half_of_both_directions_by_hand():
    logits, target = RANDOM.standard_normal((3, 4)), RANDOM.standard_normal((3, 4))
    expected = 0.0
    for row in range(3):
        p, q = softmax(logits[row]), softmax(target[row])
        expected += 0.5 * (p * np.log(p / q)).sum() + 0.5 * (q * np.log(q / p)).sum()
    assert float(symmetric_kl(torch.tensor(logits), torch.tensor(target))) == pytest.approx(expected / 3, rel=1e-9)


def test_symmetric_kl_is_zero_for_equal_scores_and_stays_finite_at_a_small_temperature():
    scores = torch.tensor([[0.9, 0.2, -0.3]]) / 0.02
    assert float(symmetric_kl(scores, scores)) == 0
    assert torch.isfinite(symmetric_kl(torch.tensor([[-1.0, 1.0]]) / 0.001, torch.tensor([[1.0, -1.0]]) / 0.001))


def test_the_loss_over_widths_is_the_plain_sum_of_the_loss_at_each():
    vectors = torch.from_numpy(unit_rows(6))
    batch = batch_of([0, 1], [[2, 3], [4, 5]], [[0.9, 0.6], [0.8, 0.5]])
    for kind in ("symmetric_kl", "infonce"):
        single = [float(ContrastiveLoss(kind, 0.1, (width,))(vectors, batch)) for width in (2, 4, 8)]
        assert float(ContrastiveLoss(kind, 0.1, (2, 4, 8))(vectors, batch)) == pytest.approx(sum(single), rel=1e-6)


def test_a_narrow_width_is_cut_and_renormalised_before_the_loss():
    vectors = unit_rows(3)
    cut = vectors[:, :3] / np.linalg.norm(vectors[:, :3], axis=1, keepdims=True)
    np.testing.assert_allclose(truncated(torch.from_numpy(vectors), 3).numpy(), cut, rtol=1e-5)
    p, q = softmax(cut[1:] @ cut[0] / 0.1), softmax(np.array([0.9, 0.5]) / 0.1)
    expected = 0.5 * (p * np.log(p / q)).sum() + 0.5 * (q * np.log(q / p)).sum()
    loss = ContrastiveLoss("symmetric_kl", 0.1, (3,))
    found = loss(torch.from_numpy(vectors), batch_of([0], [[1, 2]], [[0.9, 0.5]]))
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["symmetric_kl", "infonce"])
def test_padding_counts_for_nothing_and_leaves_gradients_finite(kind):
    vectors = torch.from_numpy(unit_rows(4)).requires_grad_()
    loss = ContrastiveLoss(kind, 0.1, (8,))
    short = loss(vectors, batch_of([0, 1], [[2], [3]], [[0.9], [0.8]]))
    padded = loss(vectors, batch_of([0, 1], [[2, -1], [3, -1]], [[0.9, 0.0], [0.8, 0.0]]))
    assert float(padded.detach()) == pytest.approx(float(short.detach()))
    padded.backward()
    assert torch.isfinite(vectors.grad).all()


def test_infonce_without_the_batch_is_the_logarithm_of_the_positives_share():
    vectors = unit_rows(4)
    expected = -np.log(softmax(vectors[1:] @ vectors[0] / 0.1)[0])
    found = ContrastiveLoss("infonce", 0.1, (8,), in_batch=False)(torch.from_numpy(vectors), batch_of([0], [[1, 2, 3]]))
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_infonce_with_the_batch_averages_both_directions():
    vectors = unit_rows(4)
    queries, positives = vectors[:2], vectors[2:]
    logits = queries @ positives.T / 0.1
    forward = -np.mean([np.log(softmax(logits[row])[row]) for row in range(2)])
    backward = -np.mean([np.log(softmax(logits.T[row])[row]) for row in range(2)])
    found = ContrastiveLoss("infonce", 0.1, (8,))(torch.from_numpy(vectors), batch_of([0, 1], [[2], [3]]))
    assert float(found) == pytest.approx((forward + backward) / 2, rel=1e-4)


def test_right_answers_of_one_query_are_not_its_negatives():
    """Two notes with the same description: it is the query of both, and in a group with one of them at most."""
    rows = unit_rows(5)
    found = ContrastiveLoss("infonce", 0.1, (8,))(torch.from_numpy(rows), batch_of([0, 0, 3], [[1], [2], [4]]))
    # Of each pair: itself, and what else is looked at from the query's side, and from the answer's.
    sides = [(0, [1, 4]), (0, [2, 4]), (3, [4, 1, 2]), (1, [0, 3]), (2, [0, 3]), (4, [3, 0, 0])]
    losses = [-np.log(softmax(rows[others] @ rows[one] / 0.1)[0]) for one, others in sides]
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_near_duplicates_in_a_batch_are_not_each_others_negatives():
    vectors = torch.from_numpy(unit_rows(4))
    loss = ContrastiveLoss("infonce", 0.1, (8,))
    assert float(loss(vectors, batch_of([0, 1], [[2], [3]], groups=[7, 7, 7, 7]))) == pytest.approx(0, abs=1e-6)


def test_symmetric_kl_without_a_teacher_is_refused():
    with pytest.raises(TrainingError, match="teacher's scores"):
        ContrastiveLoss("symmetric_kl", 0.1, (8,))(torch.from_numpy(unit_rows(2)), batch_of([0], [[1]]))
