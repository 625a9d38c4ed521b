import numpy as np
import pytest
import torch
from torch import nn

from uninote.training.loop.backbone import Backbone
from uninote.training.loop.gradient_cache import Chunks, backward
from uninote.training.loop.inputs import Inputs
from uninote.training.loop.objectives import make_objective


def gradients(model):
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def test_cached_gradients_of_the_model_equal_plain_ones(start, training_set, config):
    backbone = Backbone(start, config, torch.device("cpu"))
    batch = make_objective(training_set, config, backbone.widths).step(0)
    found = []
    for tokens, keep in ((10_000, True), (64, False), (64, True)):
        backbone.tower.zero_grad()
        chunks = Inputs(training_set, backbone.processor, augment=False).chunks(batch.items, tokens, (0, 0))
        assert (len(chunks.parts) == 1) == (tokens == 10_000)
        loss = backward(backbone.embed, chunks, lambda vectors: batch.loss_of(vectors, None), keep)
        found.append((loss, gradients(backbone.tower)))
    plain_loss, plain = found[0]
    assert any(float(gradient.abs().max()) > 1e-3 for gradient in plain.values())
    for loss, cached in found[1:]:
        assert loss == pytest.approx(plain_loss, rel=1e-5)
        assert cached.keys() == plain.keys()
        for name in plain:
            np.testing.assert_allclose(cached[name].numpy(), plain[name].numpy(), atol=2e-5, rtol=1e-3)


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3)

    def forward(self, rows):
        return nn.functional.dropout(self.layer(rows), 0.5)


def test_the_second_pass_draws_the_dropout_of_the_first():
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    chunks = Chunks([rows[:2], rows[2:]], torch.arange(6))
    found = []
    for keep in (True, False):
        model = Dropping()
        torch.manual_seed(9)
        backward(model, chunks, lambda vectors: (vectors**2).sum(), keep)
        found.append((model.layer.weight.grad.clone(), torch.rand(1)))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])  # and leaves the random numbers as one pass would


def test_rows_come_back_in_their_places():
    rows = torch.eye(3)
    seen = []
    model = nn.Linear(3, 3, bias=False)
    chunks = Chunks([rows[[2, 0]], rows[[1]]], torch.tensor([2, 0, 1]))
    backward(model, chunks, lambda vectors: (seen.append(vectors.detach().clone()), vectors.sum())[1], False)
    torch.testing.assert_close(seen[0], model(rows).detach())
