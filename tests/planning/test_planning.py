"""`uninote plan`: the worked example, how figures scale, and rates of a real ledger."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from builders import unpack
from deltalake import DeltaTable

from uninote.cli import command
from uninote.config.sections.neighbours import NeighboursConfig
from uninote.index.planning.choose import plan_index
from uninote.neighbours.planning.cells import capacity, cells_planned, task_bytes
from uninote.neighbours.planning.costs import MOST_ROWS
from uninote.planning.measured import Ledger, measured_rates
from uninote.planning.rates import DEFAULTS

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / "tests" / "golden" / "lake-4.tar.xz"
LARGE = ("--notes", "100000000", "--widths", "256,64", "--cores", "256", "--gpus", "8", "--bandwidth", "1e9")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    # A folder without conf/local.yaml, whose settings would count.
    monkeypatch.chdir(tmp_path)


def planned(capsys, *arguments: str) -> dict:
    assert command.main(["plan", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def at(plan: dict, path: str) -> float:
    found = plan
    for part in path.split("."):
        found = found[part]
    return found


def worked_example() -> tuple[list[str], list[tuple[str, str, str]]]:
    """Return the arguments of the example in the documents, and its (path, arithmetic, figure)."""
    text = (ROOT / "docs" / "planning.md").read_text()
    arguments = re.search(r"^`uninote plan (--notes 1000000000[^`]*)`", text, re.MULTILINE)[1].split()
    lines = re.findall(r"^\| `([\w.]+)` \|[^|]*\| `([^`]+)` \| ([\d.,]+) \|$", text, re.MULTILINE)
    return arguments, lines


def test_the_worked_example_is_what_the_command_prints(capsys):
    arguments, lines = worked_example()
    plan = planned(capsys, *arguments)
    assert len(lines) > 30
    for path, arithmetic, figure in lines:
        by_hand = eval(arithmetic, {"__builtins__": {}})
        assert by_hand == pytest.approx(at(plan, path), rel=0.01), path
        assert float(figure.replace(",", "")) == pytest.approx(at(plan, path), rel=0.005), path


@pytest.mark.parametrize(
    ("stage", "figures"),
    {
        "ingest": ("core_hours", "shuffled_gb", "written_gb"),
        "embed": ("core_hours", "gpu_hours", "shuffled_gb", "written_gb"),
        "index": ("shuffled_gb", "written_gb"),
        "neighbours": ("shuffled_gb", "written_gb", "driver_mib"),
    }.items(),
)
def test_twice_the_notes_take_twice_as_much(capsys, stage, figures):
    one, two = planned(capsys, *LARGE), planned(capsys, *LARGE, "--notes", "200000000")
    for figure in figures:
        path = f"first_run.stages.{stage}.{figure}"
        assert at(two, path) == pytest.approx(2 * at(one, path), rel=0.02), path


def test_a_join_in_cells_grows_with_the_notes_and_a_little_more(capsys):
    # The cells of a row are sought among twice as many.
    one, two = planned(capsys, *LARGE), planned(capsys, *LARGE, "--notes", "200000000")
    growth = (
        two["first_run"]["stages"]["neighbours"]["core_hours"] / one["first_run"]["stages"]["neighbours"]["core_hours"]
    )
    assert 2.0 < growth < 2.2


def test_twice_the_machines_halve_the_time_but_not_the_work(capsys):
    one, two = planned(capsys, *LARGE), planned(capsys, *LARGE, "--cores", "512", "--gpus", "16")
    for stage, values in one["first_run"]["stages"].items():
        faster = two["first_run"]["stages"][stage]
        assert faster["core_hours"] == values["core_hours"]
        if values["tasks"] >= 512:
            assert faster["hours"] < 0.6 * values["hours"] + 0.01
    # An index of 100 shards has work for 100 cores.
    assert two["first_run"]["stages"]["index"]["hours"] == pytest.approx(one["first_run"]["stages"]["index"]["hours"])
    assert two["first_run"]["cost"] == pytest.approx(one["first_run"]["cost"], rel=0.05)


def test_prices_and_the_models_speed_are_those_that_are_given(capsys):
    plan = planned(capsys, *LARGE, "--model-speed", "500", "--gpu-price", "0", "--core-price", "0")
    assert plan["first_run"]["cost"] == 0
    assert at(plan, "first_run.stages.embed.gpu_hours") == pytest.approx(100_000_000 / 500 / 3600)
    (speed,) = [rate for rate in plan["rates"] if rate["name"] == "embed.model"]
    assert (speed["origin"], speed["source"]) == ("given", "--model-speed")


def test_without_gpus_the_model_computes_on_cores(capsys):
    with_gpus, without = planned(capsys, *LARGE), planned(capsys, *LARGE, "--gpus", "0")
    assert at(without, "first_run.stages.embed.gpu_hours") == 0
    assert at(without, "first_run.stages.embed.core_hours") > at(with_gpus, "first_run.stages.embed.core_hours")


def test_a_night_joins_all_only_where_the_stage_would(capsys):
    few = planned(capsys, *LARGE)["night"]["stages"]["neighbours"]
    many = planned(capsys, *LARGE, "--notes", str(MOST_ROWS + 1))["night"]["stages"]["neighbours"]
    restless = planned(capsys, *LARGE, "--change-rate", "0.5")["night"]["stages"]["neighbours"]
    assert "again" not in few["why"]
    assert "at most 200,000,000 notes" in many["why"]
    assert "more than 20% of the notes" in restless["why"]
    assert restless["core_hours"] == planned(capsys, *LARGE)["first_run"]["stages"]["neighbours"]["core_hours"]


def test_a_quiet_night_writes_nothing_of_vectors(capsys):
    quiet = planned(capsys, *LARGE, "--change-rate", "0")["night"]["stages"]
    assert (quiet["embed"]["gpu_hours"], quiet["embed"]["written_gb"]) == (0, 0)


def test_memory_and_bytes_are_those_of_the_stages_own_plans(capsys):
    plan = planned(capsys, *LARGE)
    settings = NeighboursConfig()
    index = plan_index(100_000_000, 256)
    assert plan["storage"]["tables_gb"]["index/w256"] == index.total_bytes / 1e9
    assert at(plan, "first_run.stages.index.task_mib") == index.task_bytes / 2**20
    assert at(plan, "first_run.stages.neighbours.tasks") == cells_planned(settings, 100_000_000, 256)
    most = task_bytes(settings, 256, capacity(settings, 256)) / 2**20
    assert at(plan, "first_run.stages.neighbours.task_mib") <= most <= settings.task_mib


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("lake")
    unpack(ARCHIVE, folder)
    return str(folder / "lake")


def test_rates_are_those_that_a_lakes_runs_had(lake, capsys):
    plan = planned(capsys, "--lake", lake, "--min-rows", "10", "--ledger-cores", "2", "--cores", "2")
    rates = {rate["name"]: rate for rate in plan["rates"]}
    runs = DeltaTable(f"{lake}/runs").to_pyarrow_table().to_pylist()
    first = min(row["run_id"] for row in runs)
    (embed,) = [row for row in runs if (row["run_id"], row["stage"], row["state"]) == (first, "embed", "done")]
    counts, metrics = dict(embed["counts"]), dict(embed["metrics"])
    assert rates["embed.model"]["source"] == f"run {first}, {counts['computed']} computed"
    assert rates["embed.model"]["value"] == pytest.approx(metrics["model_s"] / counts["computed"])
    assert rates["embed.write"]["value"] == pytest.approx(2 * metrics["write_s"] / counts["computed"])
    assert rates["embed.tokens"]["value"] == pytest.approx(counts["tokens"] / counts["computed"])
    measured = {name for name, rate in rates.items() if rate["origin"] == "measured"}
    assert measured >= {"ingest.note", "index.factor", "storage.note", "report.constant"}
    assert plan["workload"]["widths"] == [64, 16]
    assert plan["workload"]["notes"] == 49
    # Its runs were of a release that did not write down what a join took.
    assert rates["neighbours.factor"]["origin"] == "default"


@pytest.mark.parametrize(("given", "had", "counted"), [(None, 64, 64), (2, 64, 2), (3, None, 3)])
def test_a_run_counts_the_cores_that_its_entry_or_somebody_says(given, had, counted):
    entry = {"stage": "ingest", "unit": "all", "state": "done", "run_id": "a", "seconds": 110.0, "metrics": {}}
    entries = [entry | {"counts": {"rows_in": 1000, "notes": 1000}, "cores": had}]
    defaults = {rate.name: rate.value for rate in DEFAULTS} | {"ingest.constant": 10.0}
    (rate, *_) = measured_rates(Ledger(entries, given, 0, 10), defaults)
    assert (rate.name, rate.value) == ("ingest.note", pytest.approx(counted * 100 / 1000))


def test_runs_of_few_rows_do_not_count(lake, capsys):
    rates = planned(capsys, "--lake", lake)["rates"]
    assert {rate["origin"] for rate in rates} == {"default"}


def test_cores_do_not_tell_how_fast_a_gpu_is(lake, capsys):
    rates = planned(capsys, "--lake", lake, "--min-rows", "10", "--gpus", "4")["rates"]
    (model,) = [rate for rate in rates if rate["name"] == "embed.model"]
    assert model["origin"] == "default"


def test_codes_and_matches_are_planned_where_they_are_asked_for(capsys, tmp_path):
    stages = planned(capsys, *LARGE)["night"]["stages"]
    assert not {"codes", "match"} & set(stages)
    config = tmp_path / "codes.yaml"
    config.write_text(f"lake: {tmp_path}/lake\ncodes: {{enabled: true, width: 64, fit_notes: 1000}}\n")
    plan = planned(capsys, *LARGE, "--config", str(config), "--gallery-entries", "20000")
    assert list(plan["night"]["stages"])[:6] == ["ingest", "embed", "index", "codes", "neighbours", "match"]
    assert plan["storage"]["tables_gb"]["codes"] == pytest.approx(4)
    half = planned(capsys, *LARGE, "--config", str(config), "--gallery-entries", "10000")
    reading = 1e8 * 256 * 2 * 1.2 / (300_000 * 256) / 3600
    whole, of_half = (at(one, "first_run.stages.match.core_hours") for one in (plan, half))
    assert whole - reading == pytest.approx(2 * (of_half - reading), rel=1e-3)


def test_a_night_without_new_entries_reads_what_changed_alone(capsys):
    one, none = (planned(capsys, *LARGE, "--gallery-entries", str(count)) for count in (100, 40))
    # A hundredth of 100 entries is one, of 40 none.
    assert at(none, "night.stages.match.core_hours") < 0.05 * at(one, "night.stages.match.core_hours")


def test_people_see_stages_tables_and_where_rates_are_from(lake, capsys):
    assert command.main(["plan", "--lake", lake, "--min-rows", "10"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "first run",
        "a night",
        "embeddings/w64",
        "measured on this lake: run ",
        "default: docs/benchmarks.md",
    ):
        assert part in shown


def test_what_cannot_be_planned_is_said_at_once(capsys, tmp_path):
    assert command.main(["plan", "--notes", "-1", "--change-rate", "2", "--widths", "0"]) == command.BAD_CONFIG
    message = capsys.readouterr().err
    assert all(part in message for part in ("--notes is -1", "--change-rate is 2", "--widths"))
    for wrong in (["--bandwidth", "nan"], ["--core-price", "inf"], ["--min-rows", "0"], ["--gallery-entries", "-1"]):
        assert command.main(["plan", *wrong]) == command.BAD_CONFIG
        assert f"{wrong[0]} is {wrong[1]}; it must be" in capsys.readouterr().err
    assert command.main(["plan", "--lake", str(tmp_path)]) == command.FAILED
    assert "it has no lake.json" in capsys.readouterr().err
