"""The train job: a training set out of the lake, the configured stages, and what the result can and cannot do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyspark.ml.torch.distributor import TorchDistributor

from uninote.config.sections.base import DEMO
from uninote.config.sections.training import TrainConfig
from uninote.digests import digest
from uninote.errors import ConfigError, UninoteError
from uninote.evaluation.tables import Table
from uninote.model.encoder import UNINOTE, Arithmetic, load_encoder, load_in_layout
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.model.qwen.files.checkpoint import identify
from uninote.model.qwen.processing.limits import check_set_limits
from uninote.model.qwen.trainable import make_trainable_checkpoint
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.runtime.gpus import device_for, driver_gpus
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.training.evaluate import encoder_of, measure, write_evaluation
from uninote.pipelines.training.outputs import Outputs
from uninote.pipelines.training.scores import EVALUATION
from uninote.pipelines.training.training_set import NO_PAIRS, training_set
from uninote.storage import lake_files
from uninote.storage.lake_folders import on_disk
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.schemas import TRAIN
from uninote.training.trainer import CHECKPOINT, train

STAGE = "train"


def train_model(run: Run) -> dict[str, Any]:
    """Train and measure a model on the lake's notes; killed, the same command goes on from the last state."""
    started = time.time()
    settings = run.config.training
    stages = _stages(run)
    if settings.start != DEMO:
        # Before a training set is made: that may take hours.
        for stage in stages.values():
            check_set_limits(on_disk(settings.start), _limits(stage))
    data = training_set(run)
    if not data.strategies(TRAIN):
        raise UninoteError(NO_PAIRS)
    outputs = Outputs.at(settings.output or run.lake.uri(f"training/run-{_settings_digest(run, data)}"))
    checkpoints = [_start(run, data, outputs)]
    checkpoint = str(checkpoints[0])
    for name, stage in stages.items():
        say(f"train: {name}, {stage.steps:,} steps of {stage.batch:,}")
        outputs.fetch(name)
        checkpoints.append(_train(run, checkpoints[-1], data, outputs.folder / name, stage))
        checkpoint = lake_files.join(outputs.put(name), CHECKPOINT)
    tables = _measure(run, checkpoints, data)
    write_evaluation(lake_files.join(checkpoint, EVALUATION), data, tables, run.lake_id)
    counts = data.manifest["counts"]
    record(run, STAGE, "all", Outcome("done", counts), started)
    return {
        "state": "done",
        "tables": {},
        "checkpoint": checkpoint,
        **counts,
        "recall_at_10": tables[0].recalls_at_10(),
    }


def _stages(run: Run) -> dict[str, TrainConfig]:
    """Return the stages to train, by name, each with its limits: its own, or those of the model section."""
    settings = run.config.training
    stages = {}
    for name, stage in (("contrastive", settings.contrastive), ("ranking", settings.ranking)):
        if stage is not None:
            stages[name] = stage.model_copy(update={"limits": stage.limits or run.config.model.limits})
    return stages


def _limits(stage: TrainConfig | None) -> SetLimits:
    return stage.limits.set_limits() if stage is not None and stage.limits is not None else NOTHING_SET


def _settings_digest(run: Run, data: TrainingSet) -> str:
    settings = run.config.training.model_dump(mode="json", exclude={"output", "processes"})
    limits = [_limits(stage).given() for stage in _stages(run).values()]
    return digest(data.digest, settings, *limits)


def _start(run: Run, data: TrainingSet, outputs: Outputs) -> Path:
    """Return the checkpoint that training starts at; a new, small one has the vocabulary of the training split."""
    if run.config.training.start != DEMO:
        return on_disk(run.config.training.start)
    start = outputs.folder / "start"
    outputs.fetch(start.name)
    make_trainable_checkpoint(start, _texts(data), run.config.training.seed)
    outputs.put(start.name)
    return start


def _texts(data: TrainingSet) -> Iterator[str]:
    """Yield the texts to train on: a vocabulary that also knew those of the other split would flatter the evaluation."""
    for row in data.rows():
        if row["split"] == TRAIN:
            yield from filter(None, (row["title"], row["body"], *(row["topics"] or ()), row["described"]))


def _train(run: Run, start: Path, data: TrainingSet, folder: Path, stage: TrainConfig) -> Path:
    """Train in this process, or in several of this host, which Spark starts, on the GPUs that Spark gave the driver."""
    gpu = run.config.model.gpu
    gpus = driver_gpus(run.spark.sparkContext, gpu)
    if run.config.training.processes == 1:
        done = train(start, data, folder, stage, f"cuda:{gpus[0]}" if gpus else device_for(gpu))
        say(f"train: {done.steps - done.resumed_at:,} steps in {done.seconds:,.0f} s; last loss {done.loss}")
        return done.checkpoint
    # The processes share nothing but files: each reads the set and the settings for itself.
    arguments = (str(start), str(data.folder), str(folder), stage.model_dump_json(), gpu is not False)
    distributor_for(gpus, run.config.training.processes).run(train_share, *arguments)
    return folder / CHECKPOINT


def distributor_for(gpus: Sequence[str], processes: int) -> TorchDistributor:
    """Return what starts `processes` of this host, each with one of `gpus` where Spark gave the driver any.

    Raises ConfigError where they are fewer: Spark would start fewer processes, and say so in a line of its log.
    """
    if gpus and processes > len(gpus):
        raise ConfigError(
            f"training.processes: {processes}, and Spark gave the driver {len(gpus)} GPUs (spark.driver.resource.gpu.amount); "
            "set one of them to the other, or model.gpu: false"
        )
    return TorchDistributor(num_processes=processes, local_mode=True, use_gpu=bool(gpus))


def train_share(start: str, data: str, folder: str, stage: str, may_use_gpus: bool) -> None:
    """Train as one of several processes: what TorchDistributor runs in each."""
    if not may_use_gpus:
        # Before torch looks for any: the processes' exchange goes by what it finds.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    train(start, TrainingSet(data), Path(folder), TrainConfig.model_validate_json(stage))


def _measure(run: Run, checkpoints: Sequence[Path], data: TrainingSet) -> list[Table]:
    """Return the tables of the trained model, shown full notes and parts of them, of each stage's start, and of the teacher."""
    last = checkpoints[-1]
    tables = measure(load_encoder(last), data, "trained", views=True)
    # As it is trained: a start of other limits would be measured on other notes.
    limits = [_limits(stage) for stage in _stages(run).values()]
    for name, checkpoint, seen in zip(("start", "contrastive"), checkpoints[:-1], limits, strict=False):
        encoder = load_in_layout(checkpoint, UNINOTE, None, Arithmetic(), seen)
        tables += measure(encoder, data, name)
    if run.config.training.teacher == "model" and identify(last).weights != run.model.identity.weights:
        tables += measure(encoder_of(run.model), data, "teacher")
    return tables
