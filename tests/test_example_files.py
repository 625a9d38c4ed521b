"""The example files for schedulers, as far as they can be checked without these: they parse, and what they call is there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

from uninote.config.loading import load_config
from uninote.config.yaml_text import parse
from uninote.pipelines import job
from uninote.pipelines.stages import STAGES

ROOT = Path(__file__).parent.parent
BUNDLE = ROOT / "examples" / "databricks" / "databricks.yml"
DAG = ROOT / "examples" / "airflow" / "uninote_refresh.py"


def check_job(script: Path, arguments: list[str]) -> None:
    """A job's script is there, and takes these arguments; its configuration is one."""
    assert script.is_file()
    options = job._parser(script.stem, str(script), None).parse_args(arguments)
    configuration = ROOT / "conf" / options.config.name
    load_config(configuration, options.set)


def test_the_bundle_calls_a_job_with_arguments_that_it_takes():
    bundle = parse(BUNDLE.read_text())
    found = bundle["resources"]["jobs"]["refresh"]
    assert found["max_concurrent_runs"] == 1
    clusters = {cluster["job_cluster_key"] for cluster in found["job_clusters"]}
    for task in found["tasks"]:
        assert task["job_cluster_key"] in clusters
        given = task["spark_python_task"]
        arguments = [re.sub(r"\$\{var\.(\w+)\}", r"s3a://bucket/\1", value) for value in given["parameters"]]
        check_job((BUNDLE.parent / given["python_file"]).resolve(), arguments)
    named = set(re.findall(r"\$\{var\.(\w+)\}", BUNDLE.read_text()))
    assert named == set(bundle["variables"])


def without_airflow(source: str) -> dict[str, Any]:
    """Return what the DAG's file defines, but for what needs Airflow, which the tests' environment has not."""
    module = ast.parse(source, str(DAG))
    module.body = [
        node
        for node in module.body
        if not isinstance(node, ast.With)
        and not (isinstance(node, ast.ImportFrom) and node.module.startswith("airflow"))
    ]
    defined: dict[str, Any] = {}
    exec(compile(module, str(DAG), "exec"), defined)
    return defined


def test_the_dag_compiles_and_submits_the_jobs_of_a_refresh_in_their_order(monkeypatch):
    monkeypatch.setenv("UNINOTE_ROOT", str(ROOT))
    source = DAG.read_text()
    compile(source, str(DAG), "exec")
    dag = without_airflow(source)
    # The job `release` runs what comes after it as well.
    assert dag["JOBS"] == tuple(stage for stage in STAGES if (ROOT / "jobs" / f"{stage}.py").is_file())
    for name in dag["JOBS"]:
        words = shlex.split(dag["command"](name))
        assert words[:2] == ["spark-submit", "--master"]
        check_job(Path(words[3]), words[4:])
