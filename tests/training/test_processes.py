import json
import multiprocessing
import os
import socket

from safetensors.torch import load_file

from uninote.training.loop.processes import own_share
from uninote.training.trainer import train


def train_as(rank, environment, arguments):
    os.environ.update(environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    train(*arguments)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_alone_everything_is_our_share():
    assert own_share(5) == slice(0, 5)


def test_two_processes_take_the_steps_of_one_with_the_joint_batch(start, training_set, config, tmp_path):
    config = config.model_copy(update={"steps": 3, "learning_rate": 1e-4})
    train(start, training_set, tmp_path / "one", config)
    environment = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    arguments = (start, training_set, tmp_path / "two", config)
    context = multiprocessing.get_context("fork")  # importing everything anew would take most of the test's time
    peers = [context.Process(target=train_as, args=(rank, environment, arguments)) for rank in (0, 1)]
    for peer in peers:
        peer.start()
    for peer in peers:
        peer.join(timeout=120)
    assert [peer.exitcode for peer in peers] == [0, 0]
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
