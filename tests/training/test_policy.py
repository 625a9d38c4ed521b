import numpy as np
import pytest
import torch

from uninote.training.loop.policy import PolicyLoss, Ranked, group_advantages, log_probabilities
from uninote.training.loop.reward import advantages, rewards


def vectors_of(seed=0, rows=6, width=8):
    found = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(found, dim=1)


def cosines(vectors, rows):
    unit = torch.nn.functional.normalize(vectors.detach(), dim=1)
    return unit[rows] @ unit[0]


def test_one_step_raises_the_log_probability_of_what_has_a_positive_advantage():
    weights = vectors_of().requires_grad_()
    before = log_probabilities(cosines(weights, [1, 2, 3, 4, 5]), 0.1)
    order = torch.argsort(cosines(weights, [1, 2, 3, 4, 5]), descending=True).numpy()
    gains = np.empty(5)
    gains[order] = group_advantages(order, 2)
    loss = PolicyLoss(0.1, 0.0, 5, (8,))(torch.nn.functional.normalize(weights, dim=1), [Ranked(0, (1, 2), (3, 4, 5))])
    loss.backward()
    with torch.no_grad():
        weights -= 1e-3 * weights.grad
    after = log_probabilities(cosines(weights, [1, 2, 3, 4, 5]), 0.1)
    best = int(gains.argmax())
    assert gains[best] > 0
    assert after[best] > before[best]
    assert float((torch.from_numpy(gains) * (after - before)).sum()) > 0


def test_the_loss_is_minus_advantage_times_log_probability():
    vectors = vectors_of(3)
    scores = cosines(vectors, [2, 5, 1])
    order = torch.argsort(scores, descending=True)
    truth = [int(place) + 1 if place < 2 else 0 for place in order]
    expected = -(advantages(rewards(truth)) * log_probabilities(scores, 0.2)[order].numpy()).sum()
    found = PolicyLoss(0.2, 0.5, 3, (8,))(vectors, [Ranked(0, (2, 5), (1,))])
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_the_kl_to_an_equal_reference_is_zero_and_grows_away_from_it():
    vectors, batch = vectors_of(1), [Ranked(0, (1, 2), (3, 4))]
    loss = PolicyLoss(0.1, 1.0, 4, (4, 8))
    without = PolicyLoss(0.1, 0.0, 4, (4, 8))(vectors, batch)
    assert float(loss(vectors, batch, vectors)) == pytest.approx(float(without), rel=1e-5)
    assert float(loss(vectors, batch, vectors_of(2))) > float(without) + 0.01


def test_only_the_top_of_the_group_counts():
    vectors = vectors_of(4).requires_grad_()
    PolicyLoss(0.1, 0.0, 3, (8,))(vectors, [Ranked(0, (1,), (2, 3, 4, 5))]).backward()
    assert int((vectors.grad.abs().sum(dim=1) > 0).sum()) == 4  # the query and three candidates
