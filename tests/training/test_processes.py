import json
import multiprocessing
import os
import signal
import socket

import pytest
from safetensors.torch import load_file

from uninote.config.sections.training import LoraConfig
from uninote.training.loop.processes import own_share, process_group
from uninote.training.trainer import Trainer, train


def train_as(rank, environment, arguments, dies_after):
    os.environ.update(environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    if dies_after is None:
        train(*arguments)
        return
    with process_group(), Trainer(*arguments, None) as trainer:
        trainer.run(until=dies_after)
        os.kill(os.getpid(), signal.SIGKILL)


def run_two(*arguments, victim=None, dies_after=None):
    """Train on two processes, of which `victim` is killed after so many steps, and return their exit codes."""
    environment = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    context = multiprocessing.get_context("fork")  # importing everything anew would take most of the test's time
    peers = []
    for rank in (0, 1):
        mine = environment, arguments, dies_after if rank == victim else None
        peers.append(context.Process(target=train_as, args=(rank, *mine)))
        peers[-1].start()
    for peer in peers:
        peer.join(timeout=120)
    return [peer.exitcode for peer in peers]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_alone_everything_is_our_share():
    assert own_share(5) == slice(0, 5)


def test_two_processes_take_the_steps_of_one_with_the_joint_batch(start, training_set, config, tmp_path):
    config = config.model_copy(update={"steps": 3, "learning_rate": 1e-4})
    train(start, training_set, tmp_path / "one", config)
    assert run_two(start, training_set, tmp_path / "two", config) == [0, 0]
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for one, two in zip(*logs, strict=True):
        assert abs(one["loss"] - two["loss"]) < 1e-4
        assert abs(one["gradient_norm"] - two["gradient_norm"]) < 1e-3 * one["gradient_norm"]
    single, joint = (load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in ("one", "two"))
    begun = load_file(start / "model.safetensors")
    moved = sum(float((single[name] - begun[name]).norm()) for name in begun)
    apart = sum(float((single[name] - joint[name]).norm()) for name in begun)
    assert apart < 0.02 * moved


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in lines]


@pytest.fixture
def dropping(config):
    """Dropout: each process draws numbers of its own."""
    return config.model_copy(update={"lora": LoraConfig(rank=2, dropout=0.3), "learning_rate": 1e-3})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return tmp_path_factory.mktemp("undisturbed") / "run"


@pytest.mark.parametrize(("victim", "dies_after"), [(0, 3), (1, 3), (1, 4)])
def test_a_killed_process_changes_no_bit(start, training_set, dropping, undisturbed, tmp_path, victim, dies_after):
    """States are saved after steps 3 and 6; the second time all go on from the one that is there."""
    if not undisturbed.exists():
        assert run_two(start, training_set, undisturbed, dropping) == [0, 0]
    arguments = start, training_set, tmp_path / "run", dropping
    codes = run_two(*arguments, victim=victim, dies_after=dies_after)
    assert codes[victim] == -signal.SIGKILL
    assert codes[1 - victim] not in (0, None)  # it notices, and does not wait for ever
    assert [path.name for path in (tmp_path / "run" / "states").iterdir()] == ["step-00000003"]
    assert run_two(*arguments) == [0, 0]
    weights = [folder / "checkpoint" / "model.safetensors" for folder in (undisturbed, tmp_path / "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert losses(tmp_path / "run") == losses(undisturbed)
