"""For trainers: the tokens of ids in a tokenizer, and pairs of ids and texts out of the live release."""

from __future__ import annotations

import re

import pyarrow.dataset as ds
import pytest
from builders import make_note, write_source
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

import uninote
from uninote.codes import tokens
from uninote.codes.printing import parse_codes
from uninote.codes.stored import read_codebook, read_codes
from uninote.errors import UninoteError
from uninote.lake.releases.record import ReleaseError
from uninote.lake.takedowns.orders import add
from uninote.pipelines.codes_export import NEIGHBOURS, ExportError
from uninote.pipelines.codes_work import choose_work
from uninote.pipelines.stages import refresh

pytestmark = pytest.mark.spark

SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=2", "index.num_shards=2", "index.pq_m=8")
CODES = ("codes.enabled=true", "codes.levels=2", "codes.size=4")
WORDS = ("bread flour oven", "tent lake trail", "cheap prize click", "river stone moss", "violin cello bow")
TAKEN = "note-00002"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    notes = [make_note(f"note-{number:05}", title=f"title {number}", body=WORDS[number % 5]) for number in range(30)]
    notes[7] |= {"title": "", "body": "没有标题 bread"}
    notes[8] |= {"title": None, "body": "tent"}
    return write_source(tmp_path_factory.mktemp("source"), notes)


@pytest.fixture
def run(make_run, quick_model, source):
    made = make_run(*quick_model, *SETTINGS, *CODES, f"ingest.source={source}")
    refresh(made)
    return made


def ids_of(lake):
    found = uninote.open_release(lake).tables
    rows = read_codes(found["codes"][0], read_codebook(*found["codebooks"]).version, found["codes"][1])
    return dict(zip(rows["note_id"].to_pylist(), rows["id"].to_pylist(), strict=True))


def rows_of(folder):
    return ds.dataset(folder, format="parquet", partitioning="hive").to_table().to_pylist()


@pytest.mark.more
def test_a_tokenizer_with_the_vocabulary_has_one_token_for_each_code(run):
    lake = run.lake.root
    ids = ids_of(lake)
    words = tokens(lake)
    last = max(parse_codes(one)[-1] for one in ids.values())
    assert words[:5] == ["<a_0>", "<a_1>", "<a_2>", "<a_3>", "<b_0>"]
    assert words[8:] == [f"<c_{code}>" for code in range(last + 1)]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"[UNK]": 0, "next": 1}, "[UNK]")))
    tokenizer.backend_tokenizer.pre_tokenizer = Whitespace()
    tokenizer.unk_token = "[UNK]"
    assert tokenizer.add_tokens(words) == len(words)
    for one in ids.values():
        coded = tokenizer(f"next {one}")["input_ids"]
        assert tokenizer.convert_ids_to_tokens(coded) == ["next", *re.findall("<[^>]+>", one)]


@pytest.mark.long
def test_pairs_are_of_the_live_release_without_notes_that_are_taken_down(run, tmp_path):
    lake, place = run.lake.root, f"{tmp_path}/pairs"
    add(lake, [TAKEN], "an order")
    work, others = choose_work(["--export", place, "--set", "lake=x"])
    said = work(run)
    assert others == ["--set", "lake=x"]
    ids = ids_of(lake)
    ids.pop(TAKEN)
    notes = {row["note_id"]: row for row in rows_of(said["tables"]["notes"])}
    assert {name: row["id"] for name, row in notes.items()} == ids
    assert notes["note-00003"]["title"] == "title 3"
    pairs = rows_of(said["tables"]["pairs"])
    by_task = {}
    for row in pairs:
        by_task.setdefault(row["task"], {})[row["note_id"]] = (row["source"], row["target"])
    assert {task: len(rows) for task, rows in by_task.items()} == {task: said[task] for task in by_task}
    untitled = {"note-00007", "note-00008"}
    assert by_task["id_to_title"] == {name: (ids[name], notes[name]["title"]) for name in ids if name not in untitled}
    assert by_task["title_to_id"] == {name: pair[::-1] for name, pair in by_task["id_to_title"].items()}
    assert by_task["id_to_text"]["note-00003"] == (ids["note-00003"], "title 3\nriver stone moss")
    assert by_task["text_to_id"]["note-00007"] == ("没有标题 bread", ids["note-00007"])
    lists = uninote.open_release(lake).lookup(list(ids))
    for name, (source, target) in by_task["id_to_neighbours"].items():
        assert source == ids[name]
        near = [ids[other] for other, _ in lists[name][:NEIGHBOURS]]
        assert target == "".join(near)
    assert set(by_task["id_to_neighbours"]) == {name for name in ids if lists[name]}
    assert TAKEN not in str(pairs)

    with pytest.raises(ExportError, match="is not empty"):
        work(run)
    with pytest.raises(ExportError, match="lies in the lake"):
        choose_work(["--export", f"{lake}/pairs"])[0](run)


def test_a_lake_without_codes_says_what_to_run(make_run, quick_model, source, tmp_path):
    run = make_run(*quick_model, *SETTINGS, f"ingest.source={source}")
    with pytest.raises(ReleaseError, match=r"has no release with codes; run jobs/refresh.py, or jobs/codes.py"):
        tokens(run.lake.root)
    with pytest.raises(UninoteError, match="release"):
        choose_work(["--export", f"{tmp_path}/pairs"])[0](run)
