"""A training set put together by executors, held against one that is put together here in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_image, make_note, write_notes

from udfs.training.training_set import read_source
from uninote.errors import UninoteError
from uninote.pipelines.lake.tables import ABSENT
from uninote.pipelines.training import assembly, training_set
from uninote.pipelines.training.groups import govern, group_counts
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.schemas import TABLES
from uninote.training.dataset.strategies import Strategy
from uninote.training.from_notes.assembly import examples_and_halves
from uninote.training.from_notes.examples import Making
from uninote.training.from_notes.note_rows import content_of, mark_of

pytestmark = [pytest.mark.spark, pytest.mark.slow]

NOTES = 60
COLOURS = ("red", "green", "blue", "white", "black", "navy", "teal", "gold", "pink", "lime", "gray", "cyan")


@pytest.fixture
def notes(tmp_path):
    """Notes with captions, texts in images, pictures that few share, and copies of texts."""
    for number, colour in enumerate(COLOURS):
        make_image(tmp_path / f"images/{number}.png", colour)
    rows = []
    for number in range(NOTES):
        texts = {"body": f"First of {number}. Second. Third.", "topics": ["a", f"t{number % 7}"]}
        images = [(str(tmp_path / f"images/{(number + step) % 12}.png"), f"sign {step}") for step in range(number % 3)]
        caption = f"a thing of kind {number % 9}" if number % 2 else None
        # Every picture is in several notes: without the limit below all of them would be one group.
        rows.append(make_note(f"n{number}", images=images, caption=caption, **texts))
    rows.append(rows[0] | {"note_id": "copy", "title": "NOTE n0!"})
    return rows


@pytest.fixture
def made(make_run, notes, tmp_path, quick_model, monkeypatch):
    """Return a function from overrides to a run and its training set, made anew."""
    monkeypatch.setattr("uninote.pipelines.training.groups.MOST_SHARED", 3)

    def make(*overrides, rows=None):
        run = make_run(*quick_model, "training.eval_share=0.3", *overrides)
        write_notes(run, rows or notes, tmp_path / "images")
        return run, training_set.training_set(run)

    return make


def content_ids(data: TrainingSet) -> list[tuple[str, str]]:
    """Return (mark, split) of each item."""
    return [(mark_of(content_of(row)), row["split"]) for row in data.rows()]


def files(data: TrainingSet) -> dict[str, bytes]:
    """Return the content of every file of the tables."""
    found = {}
    for name in TABLES:
        for path in sorted((data.folder / name).iterdir()):
            found[f"{name}/{path.name}"] = path.read_bytes()
    return found


def test_the_same_bytes_come_out_whatever_the_tasks_and_their_batches(made, notes, spark, monkeypatch):
    monkeypatch.setattr(assembly, "ROWS", 40)
    monkeypatch.setattr(assembly, "IMAGES_PER_PART", 5)
    _, data = made()
    first = files(data)
    assert len([name for name in first if name.startswith("items/")]) > 3
    assert len([name for name in first if name.startswith("images/")]) > 1
    settings = {"spark.sql.shuffle.partitions": "7", "spark.sql.execution.arrow.maxRecordsPerBatch": "3"}
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        _, again = made(rows=notes[::-1])
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)
    assert again.folder != data.folder
    assert files(again) == first
    assert again.manifest["counts"] == data.manifest["counts"]


def test_items_are_numbered_by_a_hash_of_what_they_show_and_each_content_is_one(made):
    _, data = made()
    ids = content_ids(data)
    assert ids == sorted(set(ids))
    assert {split for _, split in ids} == {"train", "eval"}


def expected(run, notes, folder: Path):
    """Return the examples, lists and contents that the notes give, from one note after the other."""
    sources = run.spark.read.parquet(str(folder / "sources"))
    placed = {row["note_id"]: row for row in run.spark.read.parquet(str(folder / "governed")).collect()}
    pairs: Counter = Counter()
    lists = {}
    for source in sources.collect():
        note = read_source(source["note"])
        split = placed[note.note_id]["split"]
        found = examples_and_halves(note, Making(held_out=split == "eval"))
        for one in found.examples:
            by_rule = None if one.by_rule is None else mark_of(one.by_rule)
            pairs[one.strategy.value, mark_of(one.query), mark_of(one.positive), by_rule, split] += 1
        if found.halves:
            marks = tuple(map(mark_of, found.halves.relevant))
            lists[mark_of(found.halves.query), marks, split] = placed[note.note_id]["group"]
    return pairs, lists


def test_examples_and_lists_are_those_that_the_notes_give_one_by_one(made, notes, monkeypatch, tmp_path):
    kept = tmp_path / "kept"
    remove = training_set.lake_files.remove_folder
    monkeypatch.setattr(
        training_set.lake_files,
        "remove_folder",
        lambda uri: Path(uri).rename(kept) if uri.endswith("/working") else remove(uri),
    )
    run, data = made("training.noise=4")
    pairs, lists = expected(run, notes, kept)
    marks = [mark for mark, _ in content_ids(data)]
    found: Counter = Counter()
    for split in ("train", "eval"):
        for strategy in data.strategies(split):
            examples = data.examples(strategy, split)
            for query, (positive, *others) in zip(examples.queries, examples.candidates.tolist(), strict=True):
                by_rule = marks[others[0]] if others and others[0] >= 0 else None
                found[strategy.value, marks[query], marks[positive], by_rule, split] += 1
        for one in data.ranked(split):
            relevant = tuple(marks[item] for item in one.relevant)
            assert lists.pop((marks[one.query], relevant, split)) == data.groups[one.query]
            assert len(one.noise) == len(set(one.noise)) == 4
            assert data.groups[one.query] not in data.groups[list(one.noise)]
    assert found == pairs
    assert not lists
    assert len(found) > 100


def test_groups_are_joined_by_any_chain_lie_in_one_split_and_are_capped(make_run, quick_model, tmp_path):
    run = make_run(*quick_model, "training.max_per_group=3", "training.eval_share=0.3")
    write_notes(run, [make_note("a")])
    rows = [(f"n{number}", [f"d{number}"]) for number in range(60)]
    rows += [(f"c{number}", [f"link{number}", f"link{number + 1}"]) for number in range(10)]
    rows += [(f"s{number}", ["stock"]) for number in range(51)]
    rows += [("twin", ["text:x", "d7"])]
    # Copies of one note are one group, also where more notes have them than a picture or a phrase may have.
    rows += [(f"w{number}", ["text:w", "whole:w"]) for number in range(60)]
    sources = run.spark.createDataFrame(rows, "note_id string, digests array<string>")
    governed = govern(run, sources, str(tmp_path / "governed"), ABSENT)
    places = {row["note_id"]: row for row in governed.collect()}
    groups = defaultdict(list)
    for row in places.values():
        groups[row["group"]].append(row)
    assert len(groups) == 60 + 1 + 51 + 1
    assert places["twin"]["group"] == places["n7"]["group"]
    for members in groups.values():
        assert len({row["split"] for row in members}) == 1
        assert sorted(row["place"] for row in members) == list(range(1, members[0]["size"] + 1))
    share = Counter(members[0]["split"] for members in groups.values())["eval"] / len(groups)
    assert 0.15 < share < 0.45
    assert group_counts(run, governed) == {
        "notes": 182,
        "kept": 118,
        "groups": 113,
        "capped_groups": 2,
        "largest_group": 60,
    }
    again = govern(run, sources.orderBy("note_id").repartition(5), str(tmp_path / "again"), ABSENT)
    assert {row["note_id"]: row for row in again.collect()} == places


def test_a_sample_of_the_notes_and_capped_groups_are_counted_before_and_after(made):
    rows = [make_note(f"n{number}", caption=f"thing {number % 5}") for number in range(40)]
    rows += [make_note(f"copy{number}", title="one", body="text", caption="a copy") for number in range(3)]
    _, data = made("training.max_per_group=2", rows=rows)
    counts = data.manifest["counts"]
    assert (counts["notes"], counts["kept"], counts["groups"], counts["capped_groups"]) == (43, 42, 41, 1)
    assert data.manifest["settings"]["max_per_group"] == 2
    _, fewer = made("training.max_notes=20", rows=rows)
    assert fewer.manifest["counts"]["notes"] == 20


def test_leaks_across_the_split_are_counted_and_notes_without_a_pair_are_refused(made):
    # Notes of other texts with the same caption: which is a text of its own in either split.
    rows = [make_note(f"n{number}", caption="the same") for number in range(30)]
    _, data = made(rows=rows)
    assert data.manifest["counts"]["leaked_texts"] == 1
    assert data.manifest["counts"]["leaked_images"] == 0
    with pytest.raises(UninoteError, match="no note gives a pair"):
        made(rows=[{"note_id": "a", "title": "alone"}])


def assert_no_answer_is_a_negative(examples):
    """Notes share descriptions here: each of them is a right answer of the same query."""
    answers = defaultdict(set)
    for query, positive in zip(examples.queries.tolist(), examples.candidates[:, 0].tolist(), strict=True):
        answers[query].add(positive)
    assert max(map(len, answers.values())) > 1
    for query, candidates in zip(examples.queries.tolist(), examples.candidates.tolist(), strict=True):
        assert not answers[query] & set(candidates[1:])


@pytest.mark.more
def test_a_teacher_scores_what_is_trained_on_alike_in_other_batches(made, notes, spark, monkeypatch):
    monkeypatch.setattr(assembly, "ROWS", 40)
    settings = ("training.teacher=model", "training.window=[0.02, 0.95]", "training.window_unit=quantile")
    settings += ("training.max_without_negatives=1",)
    _, data = made(*settings)
    counts = data.manifest["counts"]
    for strategy in data.strategies("train"):
        examples = data.examples(strategy, "train")
        assert examples.scores is not None
        assert counts[f"unscored/{strategy.value}"] == counts[f"without_scores/{strategy.value}"] == 0
        assert len(examples) == counts[f"{strategy.value}/train"]
    mined = data.examples(Strategy.TEXT_TO_NOTE, "train")
    assert (mined.candidates[:, 2:] >= 0).sum() > len(mined)
    assert_no_answer_is_a_negative(mined)
    assert data.examples(Strategy.TEXT_TO_NOTE, "eval").scores is None
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "5")
    try:
        _, again = made(*settings, rows=notes[::-1])
    finally:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "2000")
    assert again.manifest["counts"] == counts
    for strategy in data.strategies("train"):
        one, other = data.examples(strategy, "train"), again.examples(strategy, "train")
        np.testing.assert_array_equal(one.candidates, other.candidates)
        # Products of matrices of other shapes differ in their last bits.
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


def test_what_a_teacher_without_eyes_cannot_score_is_counted_and_a_strategy_it_knows_too_little_of_has_no_scores(
    make_run, quick_model, tmp_path, spark
):
    shades = np.random.default_rng(0).integers(0, 255, (40, 3)).tolist()
    rows = []
    for number, shade in enumerate(shades):
        path = make_image(tmp_path / f"images/{number}.png", tuple(shade))
        caption = f"caption {number} of a thing" if number % 4 == 0 else None
        read = f"sign {number}" if number % 4 == 1 else None
        rows.append(make_note(f"n{number}", images=[{"uri": str(path), "ocr": read, "caption": caption}]))
    settings = ("training.teacher=model", "training.window=[-1, 1]", "training.max_without_negatives=1")
    run = make_run(*quick_model, "training.eval_share=0.2", *settings)
    write_notes(run, rows, tmp_path / "images")
    run.__dict__["model"] = replace(run.model, sees_images=False)
    data = training_set.training_set(run)
    counts = data.manifest["counts"]
    # Half of the images have neither a description nor a text.
    hosts = data.scored(Strategy.IMAGE_TO_NOTE, "train")
    assert hosts in (0, len(data.examples(Strategy.IMAGE_TO_NOTE, "train")))
    assert (
        hosts + counts["unscored/image_to_note"] + counts["without_scores/image_to_note"]
        == counts["image_to_note/train"]
    )
    assert counts["unscored/image_to_note"] + counts["without_scores/image_to_note"] > 0
    described = data.examples(Strategy.IMAGE_TO_TEXT, "train")
    assert len(described) == counts["image_to_text/train"] > 3
    # The description stands in for its image, and is the right answer's text as well.
    np.testing.assert_allclose(described.scores[:, 0], 1, atol=1e-6)
    read = data.examples(Strategy.OCR_TO_NOTE, "train")
    assert len(read) == counts["ocr_to_note/train"] > 3
    assert read.scores is not None
    assert len(data.examples(Strategy.IMAGE_TO_NOTE, "eval")) == counts["image_to_note/eval"]
