"""One GPU for each task that computes a model, on a cluster that says it has GPUs, and none for any other task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark import SparkConf

from uninote.errors import ConfigError
from uninote.pipelines.runtime.gpus import EXECUTOR, device_for, model_profile
from uninote.pipelines.training.train import distributor_for

SCRIPT = Path(__file__).parent / "gpu_cluster.py"
INVENTED = ["3", "5"]  # no GPU is there


@pytest.fixture
def discovery(tmp_path):
    """What Spark asks a host for its GPUs."""
    script = tmp_path / "gpus.sh"
    script.write_text(f"#!/bin/sh\necho '{json.dumps({'name': 'gpu', 'addresses': INVENTED})}'\n")
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def on_cluster(tmp_path, config_file, quick_model, discovery):
    """Return a function from a master, settings and overrides to what happened on a cluster with such workers."""

    def run(master, settings, *overrides):
        worker = "spark.worker.resource.gpu."
        common = {
            "spark.master": master,
            f"{worker}amount": "2",
            f"{worker}discoveryScript": discovery,
            f"{EXECUTOR}discoveryScript": discovery,
            "spark.ui.enabled": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": str(tmp_path / "events"),
            "spark.eventLog.compress": "false",
        }
        (tmp_path / "events").mkdir()
        arguments = [str(tmp_path), json.dumps(common | settings), str(config_file), *quick_model, *overrides]
        environment = os.environ | {"SPARK_LOCAL_DIRS": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1]), profiles(tmp_path / "events")

    return run


def profiles(folder: Path) -> dict[str, set[int]]:
    """Return the resource profiles of the stages that Spark logged, by what they are for; 0 is the default."""
    found: dict[str, set[int]] = {}
    for path in folder.rglob("*"):
        for line in path.read_text().splitlines() if path.is_file() and not path.name.startswith(".") else ():
            event = json.loads(line)
            if event["Event"] == "SparkListenerStageSubmitted":
                purpose = event["Properties"].get("spark.job.description", "")
                found.setdefault(purpose, set()).add(event["Stage Info"]["Resource Profile Id"])
    return found


def check_tasks(found, by_purpose):
    """Tasks of a model at the same time have GPUs of their own; other tasks have none."""
    assert found["embedded"] == 40
    tasks = found["model"]
    assert {task["address"] for task in tasks} <= {f"cuda:{address}" for address in INVENTED}
    for one in tasks:
        for other in tasks:
            overlap = one is not other and one["begun"] < other["ended"] and other["begun"] < one["ended"]
            assert not overlap or one["address"] != other["address"]
    assert [task["address"] for task in found["plain"]] == [None] * 4
    of_model = by_purpose.pop("embed: chunk 1, model")
    assert max(of_model) > 0
    probes = by_purpose.pop("")
    assert max(probes) > 0
    assert set().union(*by_purpose.values()) == {0}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(("gpu", "given"), [('"auto"', INVENTED), ("false", [])])
def test_processes_that_train_have_the_gpus_that_spark_gave_the_driver(discovery, gpu, given):
    settings = {"spark.ui.enabled": "false", "spark.master": "local[2]"}
    settings |= {
        f"spark.driver.resource.gpu.{name}": value for name, value in (("amount", "2"), ("discoveryScript", discovery))
    }
    command = [sys.executable, str(SCRIPT.with_name("driver_gpus.py")), json.dumps(settings), gpu]
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["given"] == given
    visible, processes = found["seen"]
    assert set(visible.split(",")) == set(given or ["none set"])
    assert processes == "2"


def test_more_processes_than_the_driver_has_gpus_are_refused():
    with pytest.raises(ConfigError, match=r"training\.processes: 3, and Spark gave the driver 2 GPUs"):
        distributor_for(INVENTED, 3)


@pytest.mark.long
@pytest.mark.slow
def test_a_stage_of_the_model_has_a_gpu_for_each_task_and_no_other_stage_has_any(on_cluster):
    found, by_purpose = on_cluster("local-cluster[1,4,1024]", {f"{EXECUTOR}amount": "2"}, "model.gpu=true")
    check_tasks(found, by_purpose)
    assert len({task["address"] for task in found["model"]}) == 2
    plain = found["plain"]
    # Four cores: a plain stage is not held up by there being two GPUs.
    assert max(task["begun"] for task in plain) < min(task["ended"] for task in plain)


@pytest.mark.long
@pytest.mark.slow
def test_executors_with_gpus_come_for_the_model_alone_where_executors_come_and_go(on_cluster):
    settings = {
        f"{EXECUTOR}amount": "0",  # of executors for all other stages
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.maxExecutors": "2",
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
    }
    found, by_purpose = on_cluster("local-cluster[1,4,4096]", settings, "model.gpu=true")
    check_tasks(found, by_purpose)


class Context:
    """What `model_profile` asks a SparkContext for, where no profile comes of it."""

    def __init__(self, master, **settings):
        self.master = master
        named = {name.replace("_", "."): value for name, value in settings.items()}
        self.getConf = lambda: SparkConf(loadDefaults=False).setAll(list(named.items()))


def test_there_is_no_profile_where_spark_hands_out_no_gpus_or_gives_every_task_one():
    assert model_profile(Context("local[2,4]", spark_executor_resource_gpu_amount="1"), True) is None
    assert model_profile(Context("spark://host:7077"), "auto") is None
    given = {"spark_executor_resource_gpu_amount": "1"}
    assert model_profile(Context("spark://host:7077", **given), False) is None
    assert model_profile(Context("spark://host:7077", **given, spark_task_resource_gpu_amount="1"), "auto") is None
    with pytest.raises(
        ConfigError, match=r"model\.gpu: true: this application's executors have no GPUs; set spark\.exec"
    ):
        model_profile(Context("spark://host:7077"), True)
    assert [device_for(gpu) for gpu in ("auto", True, False)] == [None, "cuda", "cpu"]
