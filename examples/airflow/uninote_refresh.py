"""A night of UniNote as an Airflow DAG: one task for each job, so that a job that failed is the one that is run again.

Not tried with Airflow; a test compiles it and asks the jobs for the arguments that it gives them. It needs Airflow 2.9 on
a host that has the package, and these variables in its environment: UNINOTE_ROOT, the checkout or image with `jobs` and `conf`;
UNINOTE_MASTER, Spark's master.
"""

from __future__ import annotations

import os
import shlex
from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator

ROOT = os.environ.get("UNINOTE_ROOT", "/opt/uninote")
MASTER = os.environ.get("UNINOTE_MASTER", "spark://host:7077")
JOBS = ("ingest", "embed", "index", "codes", "neighbours", "match", "release", "report")


def command(job: str) -> str:
    """Return the line that submits a job."""
    words = ["spark-submit", "--master", MASTER, f"{ROOT}/jobs/{job}.py", "--config", f"{ROOT}/conf/s3.yaml"]
    return shlex.join(words)


with DAG(
    dag_id="uninote_refresh",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a night that was missed is made up for by the next one
    max_active_runs=1,  # a second run would stop with a sentence that names the first
    # The same command goes on where the attempt before it ended; a lease that nobody gave back lapses within a minute.
    default_args={"retries": 2, "retry_delay": timedelta(minutes=2)},
) as dag:
    before = None
    for job in JOBS:
        task = BashOperator(task_id=job, bash_command=command(job))
        if before is not None:
            before.set_downstream(task)
        before = task
