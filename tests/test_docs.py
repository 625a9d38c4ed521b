"""README and docs: their Python runs, the commands and files they name are there, and so is what they once showed."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import shlex
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from builders import unpack
from coloured_discs import COLOURS, set_rows
from deltalake import DeltaTable, write_deltalake

from uninote.codes.files import to_bytes
from uninote.codes.fitting import FitSettings, fit_codebook
from uninote.config.types import find_key
from uninote.lake.generation_record import RECORD
from uninote.lake.releases.pointer import change_pointer
from uninote.lake.releases.record import IndexPin, Release, write_release
from uninote.model.qwen.trainable import Shape, make_trainable_checkpoint
from uninote.neighbours.list_changes import TableVersion
from uninote.serving.opening import open_store
from uninote.serving.publish import Published, publish
from uninote.training.dataset.writer import write_training_set

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
# What pages showed in releases so far. A page may show more; a line that leaves this list breaks somebody's program.
PROMISED = (
    ("uninote.neighbours.lookup", ("lookup", "open_table")),
    ("uninote.index.search", ("Index",)),
    ("uninote.index.note_keys", ("Constraint",)),
    ("uninote.neighbours.kernel.approximate", ("top_k",)),
    ("uninote.serving.opening", ("open_store",)),
    ("uninote.serving.day_path", ("DayPath", "ListRule", "NewNote")),
    ("uninote.gallery", ("Gallery",)),
    ("uninote.search.query", ("encoder_of",)),
    ("uninote.training.dataset", ("TrainingSet",)),
    ("uninote.training.settings", ("TrainConfig", "paper_stage_one", "paper_stage_two")),
    ("uninote.training.trainer", ("train",)),
    ("uninote.evaluation.retrieval", ("evaluate",)),
    ("uninote.evaluation.baselines", ("evaluate_views",)),
    ("uninote.model.encoder", ("load_encoder",)),
    ("uninote.config.settings", ("Config",)),
)
NO_MODULES = ("uninote.json", "uninote.stale")  # a file of checkpoints, and a property of tables
COMMANDS = ("uninote.search", "uninote.install")


def named(path: Path) -> str:
    return path.name


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of `language` in a page."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def code_of(page: Path) -> list[str]:
    """Return what a page shows as code: the lines of its fenced blocks, and what stands between backticks."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")  # a command may go on in the next line
    fenced = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    return [line for block in fenced for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)


SNIPPETS = [
    pytest.param(snippet, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, snippet in enumerate(blocks(page, "python"))
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what the snippets read: a lake and its checkpoint, a training set, a model to start from."""
    folder = tmp_path_factory.mktemp("docs")
    unpack(max((ROOT / "tests" / "golden").glob("lake-*.tar.xz")), folder)
    write_training_set(folder / "training_set", set_rows())
    make_trainable_checkpoint(folder / "start", COLOURS * 3, shape=Shape(400, 1, 1, 32))
    shutil.copy(folder / "source" / "0.png", folder / "bowl.jpg")
    (generation,) = [path.parent.name for path in folder.glob("lake/*/neighbours")]
    tables = folder / "lake" / generation
    record = json.loads((tables / RECORD).read_text())
    (tables / RECORD).write_text(
        json.dumps(record | {"checkpoint": str(folder / "checkpoint")})
    )  # it was made elsewhere
    shutil.copytree(tables / "same_category", tables / "similar_other_author")  # a table of the name that a page uses
    uri = str(tables / "neighbours")
    lists = TableVersion(uri, DeltaTable(uri).version())
    store = open_store(f"lmdb://{folder}/store", create=True)
    publish(store, Published(1, "docs", {"neighbours": lists}), None)
    store.close()
    write_deltalake(str(tables / "gallery"), gallery_rows(generation))
    write_codes(tables, generation)
    make_release(folder / "lake", generation)
    return SimpleNamespace(folder=folder, lake=folder / "lake", generation=generation)


def write_codes(tables: Path, generation: str) -> None:
    """Write a codebook, and the codes of one note."""
    vectors = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    codebook = fit_codebook(vectors, FitSettings(2, 4), generation)
    rows = {"version": pa.array([1], pa.int32()), "content": [to_bytes(codebook)]}
    write_deltalake(str(tables / "codebooks"), pa.table(rows))
    codes = {"note_id": ["n1"], "codes": pa.array([[0, 1, 0]], pa.list_(pa.int32())), "id": ["<a_0><b_1><c_0>"]}
    codes |= {"codebook": pa.array([1], pa.int32()), "present": [True]}
    write_deltalake(str(tables / "codes"), pa.table(codes))


def gallery_rows(generation: str) -> pa.Table:
    """Return one entry of a gallery, as wide as the vectors of the lake."""
    row = {"entry_id": "e1", "kind": "image", "category": "scam", "enabled": True, "generic": False}
    row |= {"content_hash": "", "generation": generation}
    others = {
        "vector": pa.array([[1.0] + [0.0] * 63], pa.list_(pa.float32())),
        "position": pa.array([0], pa.int32()),
        "image_bits": pa.array([None], pa.binary()),
        "image_quality": pa.array([None], pa.int32()),
    }
    rows = pa.Table.from_pylist([row])
    for name, column in others.items():
        rows = rows.append_column(name, column)
    return rows


def make_release(lake: Path, generation: str) -> None:
    """Let readers see the tables as they stand."""
    names = [
        "notes",
        *(
            f"{generation}/{name}"
            for name in ("items", "neighbours", "similar_other_author", "gallery", "codes", "codebooks")
        ),
    ]
    versions = {name: DeltaTable(str(lake / name)).version() for name in names}
    manifest = max((lake / generation / "index" / "w64").glob("manifest*.json")).name
    pins = {"w64": IndexPin(f"{generation}/index/w64", manifest)}
    lake_id = json.loads((lake / "lake.json").read_text())["lake_id"]
    made = Release(0, "2026-11-27T00:00:00+00:00", "docs", lake_id, generation, versions, pins, {})
    number = write_release(str(lake), made, 0).id
    change_pointer(str(lake), lambda before: replace(before, live=number, kept=(number,), change="docs"))


def filled(text: str, place: SimpleNamespace) -> str:
    """Put real places where a page has <placeholders>, and one step of training where it has many."""
    values = {
        "<lake>": str(place.lake),
        "<generation>": place.generation,
        "<index folder>": f"{place.lake}/{place.generation}/index/w64",
        "<store>": f"lmdb://{place.folder}/store",
        "<checkpoint>": str(place.folder / "checkpoint"),
        "steps=400": "steps=1, batch=4",
        "--only language=zh": "--only category=food",  # notes of this lake name no language
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_python_of_the_pages_runs_as_it_stands(place, monkeypatch, snippet):
    monkeypatch.chdir(place.folder)
    vectors = np.eye(3, 64, dtype=np.float32)
    names = {"vectors": vectors}
    exec(compile(filled(snippet, place), "snippet", "exec"), names)  # what a page shows is this project's own text
    if "notes" in names:
        assert names["notes"].shape == names["scores"].shape == (3, 10)
    if "neighbours" in names:
        assert set(names["neighbours"].loc[0, "neighbours"][0]) == {"note_id", "score"}
    if "found" in names:
        assert {len(entries) for entries in names["found"].values()} == {5}
    if "written" in names:
        assert len(names["written"]) == 10
    if "done" in names:
        assert names["done"].steps == 1
        assert names["table"].name == "trained"


def test_lists_that_the_pages_look_up_are_those_of_the_table(place):
    from uninote.neighbours.lookup import lookup

    found = lookup(place.lake, ["n4"])
    assert len(found["n4"]) == 5
    assert found["n4"] == sorted(found["n4"], key=lambda pair: -pair[1])


@pytest.mark.parametrize(("module", "names"), PROMISED, ids=[module for module, _ in PROMISED])
def test_names_that_pages_showed_can_be_imported(module, names):
    missing = [name for name in names if not hasattr(importlib.import_module(module), name)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_modules_that_a_page_names_are_there(page):
    for name in re.findall(r"\b((?:uninote|udfs)(?:\.[a-z_0-9]+)+)\b", "\n".join(code_of(page))):
        path = ROOT / name.replace(".", "/")
        if name in NO_MODULES or path.is_dir() or path.with_suffix(".py").is_file():
            continue
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    links = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    absent = [target for target in links if target and not (page.parent / target).exists()]
    folders = "uninote|udfs|jobs|conf|tests|benchmarks|docs"
    shown = re.findall(
        rf"(?<![\w/.])(?:{folders})/[\w/.-]*\w\.(?:py|yaml|md|conf|sh|properties)\b", "\n".join(code_of(page))
    )
    absent += [name for name in shown if not (ROOT / name).exists()]
    assert absent == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_settings_that_a_page_gives_with_set_are_there(page):
    for line in code_of(page):
        if "--set" not in line or "section.key" in line:
            continue
        words = shlex.split(line.replace("…", "x"), comments=True)
        given = [value for option, value in pairwise(words) if option == "--set" and "=" in value]
        for value in given:
            _, kind = find_key(value.split("=")[0].split("."))
            assert kind is not Any, f"{value} sets no key that there is"


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # other tests import the module before
@pytest.mark.parametrize("module", COMMANDS)
def test_commands_that_pages_show_say_how_they_are_used(module, monkeypatch, capsys):
    shown = [line for page in PAGES for line in code_of(page) if f"python -m {module}" in line]
    assert shown
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module(module, run_name="__main__")
    assert done.value.code == 0
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"(?<=\s)--[a-z-]+", "\n".join(shown))) <= options


def test_searches_that_the_index_page_shows_run(place, monkeypatch, capsys):
    shown = [line for line in code_of(ROOT / "docs" / "index.md") if line.startswith("python -m uninote.search")]
    assert len(shown) == 2
    monkeypatch.chdir(place.folder)
    printed = []
    for line in shown:
        monkeypatch.setattr(sys, "argv", shlex.split(filled(line, place), comments=True)[2:])
        with pytest.raises(SystemExit) as done:
            runpy.run_module("uninote.search", run_name="__main__")
        assert done.value.code == 0
        printed.append([json.loads(row) for row in capsys.readouterr().out.splitlines()])
    assert printed[0]
    assert all(set(row) == {"note_id", "score", "strength", "confidence"} for row in printed[0])
    assert printed[1][0]["segments"] > 0
