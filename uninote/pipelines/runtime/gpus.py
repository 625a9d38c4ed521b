"""A GPU for each task that computes a model, and for no other: Spark's scheduling of resources, stage by stage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pyspark import SparkContext
from pyspark.resource import ExecutorResourceRequests, ResourceProfile, ResourceProfileBuilder, TaskResourceRequests

from uninote.config.sections.model import Gpu
from uninote.errors import ConfigError

EXECUTOR = "spark.executor.resource.gpu."
TASK = "spark.task.resource.gpu.amount"
_DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each GPU of this machine
_ONE_MACHINE = re.compile(r"local(\[.*\])?")  # masters under which Spark knows no resources


def device_for(gpu: Gpu) -> str | None:
    """Return where a task computes to which Spark gave no GPU; None is the first GPU of its host, if there is any."""
    if gpu == "auto":
        return None
    return "cuda" if gpu else "cpu"


def is_one_machine(context: SparkContext) -> bool:
    """Say whether workers are on this machine alone, and compute on what it has."""
    return _ONE_MACHINE.fullmatch(str(context.master)) is not None


def driver_gpus(context: SparkContext, gpu: Gpu) -> list[str]:
    """Return the addresses of the GPUs that Spark gave the driver (spark.driver.resource.gpu); none where `gpu` is False."""
    held = {} if gpu is False else context.resources
    return list(held["gpu"].addresses) if "gpu" in held else []


def computes_on_gpus(context: SparkContext, gpu: Gpu) -> bool:
    """Say whether tasks that compute a model have GPUs, by the settings; of Spark on one machine, by what is in it."""
    if gpu != "auto":
        return gpu
    if is_one_machine(context):
        return _DRIVER.is_dir() and any(_DRIVER.iterdir())
    settings = dict(context.getConf().getAll())
    return TASK in settings or int(settings.get(f"{EXECUTOR}amount", "0")) > 0


# Executors belong to a profile by its number: another one like it would ask for executors of its own.
@lru_cache(maxsize=1)
def model_profile(context: SparkContext, gpu: Gpu) -> ResourceProfile | None:
    """Return what a stage that computes a model asks for, a GPU for each task; null where Spark hands out none, or to all.

    Raises ConfigError where `model.gpu` asks for GPUs that the cluster has not, and cannot be asked for.
    """
    settings = dict(context.getConf().getAll())
    # Where the settings give every task of the application a GPU, those of a model have theirs too.
    if gpu is False or TASK in settings or is_one_machine(context):
        return None
    given = int(settings.get(f"{EXECUTOR}amount", "0"))
    is_elastic = settings.get("spark.dynamicAllocation.enabled", "false") == "true"
    if given == 0 and gpu == "auto":
        return None
    if given == 0 and not is_elastic:
        raise ConfigError(
            f"model.gpu: true: this application's executors have no GPUs; set {EXECUTOR}amount (and {EXECUTOR}discoveryScript) "
            "in Spark's settings, or spark.dynamicAllocation.enabled=true, by which executors with a GPU are asked for"
        )
    # One GPU, and the cores that tasks have in all other stages, which the model's arithmetic and decoding share.
    tasks = TaskResourceRequests().resource("gpu", 1).cpus(int(settings.get("spark.task.cpus", "1")))
    builder = ResourceProfileBuilder().require(tasks)
    if is_elastic:
        # Executors of a profile of their own: they come with the first stage that computes a model, and go when they are idle.
        builder.require(_executors(settings, max(1, given)))
    # Otherwise the stage runs on the executors that there are, as many tasks at once as these have GPUs.
    return builder.build


def _executors(settings: Mapping[str, str], gpus: int) -> ExecutorResourceRequests:
    requests = ExecutorResourceRequests()
    script = settings.get(f"{EXECUTOR}discoveryScript", "")
    requests.resource("gpu", gpus, script, settings.get(f"{EXECUTOR}vendor", ""))
    if "spark.executor.cores" in settings:
        # Memory is that of all executors; of cores a profile has to say it again.
        requests.cores(int(settings["spark.executor.cores"]))
    return requests
