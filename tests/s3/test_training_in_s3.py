"""A model is trained on a lake in S3, from a training set that lies there, and another machine goes on from what is there."""

from __future__ import annotations

import pytest
from builders import write_config
from job_lake import JobLake

from uninote.storage import lake_files

pytestmark = [pytest.mark.s3, pytest.mark.slow]
QUICK = "steps: 2, batch: 8, keep_graphs: true, log_every: 1"
SETTINGS = ("demo.notes=60", "training.eval_share=0.2", f"training.contrastive={{{QUICK}}}")


def test_a_training_set_and_a_run_lie_in_the_bucket(bucket, s3_jars, tmp_path, demo_folder):
    config = write_config(tmp_path, demo_folder)
    lake = JobLake(f"{bucket}/lake", config, "demo", {"spark.jars": s3_jars, "spark.ui.enabled": "false"}, *SETTINGS)
    trained = lake.run("train")
    assert trained["checkpoint"].startswith(f"{lake.root}/training/run-")
    run = trained["checkpoint"].removesuffix("/checkpoint")
    log = lake_files.read(f"{run}/log.jsonl")
    assert log.count(b"\n") == 2
    names = lake_files.files_below(f"{lake.root}/training")
    assert not [name for name in names if name.startswith(".") or "/sources/" in name]

    # A machine that has no copy takes no step again, and finds the same.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = lake.run("train", tmp=elsewhere)
    assert again["recall_at_10"] == trained["recall_at_10"]
    assert lake_files.read(f"{run}/log.jsonl") == log
    measured = lake.run("evaluate", f"model.checkpoint={trained['checkpoint']}", "model.kind=uninote", tmp=elsewhere)
    assert measured["recall_at_10"] == trained["recall_at_10"]
