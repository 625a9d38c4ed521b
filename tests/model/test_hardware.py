import numpy as np
import pytest
import torch
from torch import nn

from uninote.errors import UninoteError
from uninote.model.compute import batches, linear
from uninote.model.compute.batches import Batches
from uninote.model.compute.hardware import choose_placement
from uninote.model.compute.linear import OneDnnLinear, use_faster_linear
from uninote.model.compute.transfer import to_device
from uninote.model.encoder import load_encoder
from uninote.notes.note import Note

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Item:
    def __init__(self, number: int, num_tokens: int) -> None:
        self.number, self.num_tokens = number, num_tokens


def compute(items) -> torch.Tensor:
    return torch.tensor([[item.number, item.num_tokens] for item in items], dtype=torch.float32)


# Placement


def test_auto_is_float32_on_a_cpu_and_the_checkpoints_own_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_placement(None, "cpu", "auto").dtype is torch.float32
    assert choose_placement(None, "cpu", "bfloat16").dtype is torch.bfloat16
    assert choose_placement(None, "cuda:1", "auto").dtype is None
    assert choose_placement(None, "cuda:1", "float32").dtype is torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float16"}, "dtype 'float16' is not known; choose one of auto, float32, bfloat16"),
        ({"device": "gpu"}, "device 'gpu' is not known"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not there: PyTorch sees"),
    ],
)
def test_what_is_not_to_be_had_is_refused(tiny_folder, arguments, message):
    with pytest.raises(UninoteError, match=message):
        load_encoder(tiny_folder, **arguments)


def test_bfloat16_leaves_buffers_in_their_precision(tiny_folder):
    tower = load_encoder(tiny_folder, device="cpu", dtype="bfloat16")._tower
    assert {weight.dtype for weight in tower.parameters()} == {torch.bfloat16}
    assert {buffer.dtype for buffer in tower.buffers() if buffer.is_floating_point()} == {torch.float32}


# Linear layers


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 8, bias=False))


@pytest.mark.parametrize("shape", [(3, 24), (2, 5, 24), (1, 24)])
def test_onednn_gives_what_pytorch_gives_from_the_same_weights(shape, monkeypatch):
    monkeypatch.setattr(linear, "is_onednn_faster", lambda: True)
    plain, changed = model(), model()
    addresses = [weight.data_ptr() for weight in changed.parameters()]
    use_faster_linear(changed)
    assert [type(part) for part in changed] == [OneDnnLinear, nn.GELU, OneDnnLinear]
    with torch.inference_mode():
        rows = torch.randn(shape)
        torch.testing.assert_close(changed(rows), plain(rows), atol=1e-5, rtol=0)
    assert [weight.data_ptr() for weight in changed.parameters()] == addresses


def test_layers_stay_as_they_are_where_onednn_is_slower_or_weights_are_not_float32(monkeypatch):
    monkeypatch.setattr(linear, "is_onednn_faster", lambda: False)
    slower, coarse = model(), model().bfloat16()
    use_faster_linear(slower)
    monkeypatch.setattr(linear, "is_onednn_faster", lambda: True)
    use_faster_linear(coarse)
    assert {type(part) for part in (*slower, *coarse)} == {nn.Linear, nn.GELU}


def test_a_pytorch_without_the_operator_is_not_asked_again(monkeypatch):
    def missing(*arguments):
        raise AttributeError("no such operator")

    monkeypatch.setattr(linear, "_product", missing)
    assert linear.is_onednn_faster.__wrapped__() is False


@pytest.mark.parametrize("is_faster", [True, False])
def test_vectors_agree_whichever_library_computes(tiny_folder, monkeypatch, encoder, is_faster):
    monkeypatch.setattr(linear, "is_onednn_faster", lambda: is_faster)
    notes = [Note("bread", "and soup " * i) for i in range(4)]
    other = load_encoder(tiny_folder, device="cpu")
    vectors, expected = (one.embed([one.prepare(note, []) for note in notes]) for one in (other, encoder))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


# Batches


def test_on_a_cpu_batches_are_small_and_rows_stay_in_order(monkeypatch):
    monkeypatch.setattr(batches, "CPU_TOKENS", 100)
    lengths = np.random.default_rng(0).integers(1, 130, 50)
    seen = []

    def spy(items):
        seen.append(len(items) * max(item.num_tokens for item in items))
        return compute(items)

    items = [Item(number, int(length)) for number, length in enumerate(lengths)]
    on_cpu = Batches(CPU)
    np.testing.assert_array_equal(on_cpu.embed(spy, items, 2), compute(items))
    assert all(padded <= 100 or padded in lengths for padded in seen)
    assert len(seen) < len(items)
    assert on_cpu.tokens == on_cpu.call_tokens == 100
    assert on_cpu.embed(spy, [], 2).shape == Batches(GPU).embed(spy, [], 2).shape == (0, 2)


def test_the_largest_batch_that_a_gpu_holds_is_found_once(monkeypatch):
    monkeypatch.setattr(batches, "GPU_TOKENS", 10)
    monkeypatch.setattr(batches, "MOST_GPU_TOKENS", 80)
    tried, failed = [], []

    def of_memory(held):
        def forward(items):
            padded = len(items) * max(item.num_tokens for item in items)
            tried.append(padded)
            if padded > held:
                failed.append(padded)
                raise torch.OutOfMemoryError("CUDA out of memory")
            return compute(items)

        return forward

    items = [Item(number, number % 4 + 1) for number in range(100)]
    roomy = Batches(GPU)
    np.testing.assert_array_equal(roomy.embed(of_memory(1000), items, 2), compute(items))
    assert roomy.tokens == 80
    assert max(tried) <= 80
    small = Batches(GPU)
    np.testing.assert_array_equal(small.embed(of_memory(30), items, 2), compute(items))
    assert 10 <= small.tokens <= 30
    assert len(failed) == 1
    np.testing.assert_array_equal(small.embed(of_memory(30), items, 2), compute(items))
    assert len(failed) == 1  # nothing larger is tried again
    with pytest.raises(torch.OutOfMemoryError):
        small.embed(of_memory(30), [*items, Item(100, 31)], 2)


class Late:
    """Vectors that are waited for, and a list of what happens to them."""

    def __init__(self, events, items):
        self._events, self._items = events, items
        events.append(("told", items[0].number))

    def cpu(self):
        self._events.append(("awaited", self._items[0].number))
        return compute(self._items)


def test_a_gpu_has_its_next_batch_before_the_last_one_is_awaited(monkeypatch):
    monkeypatch.setattr(batches, "GPU_TOKENS", 4)
    monkeypatch.setattr(batches, "MOST_GPU_TOKENS", 4)
    events = []
    items = [Item(number, 4) for number in range(3)]
    gpu = Batches(GPU)
    assert gpu.call_tokens == 4 * 4
    np.testing.assert_array_equal(gpu.embed(lambda batch: Late(events, batch), items, 2), compute(items))
    assert events == [("told", 0), ("told", 1), ("awaited", 0), ("told", 2), ("awaited", 1), ("awaited", 2)]


def test_features_stay_where_they_are_on_a_cpu():
    features = {"ids": torch.ones(2), "prompt": None}
    assert to_device(features, CPU)["ids"] is features["ids"]
    assert to_device(features, CPU) == features


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_features_go_to_a_gpu_as_they_are():
    features = {"ids": torch.arange(10), "prompt": None}
    moved = to_device(features, GPU)
    assert moved["ids"].is_cuda
    assert torch.equal(moved["ids"].cpu(), features["ids"])
