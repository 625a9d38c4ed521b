"""Near-duplicates end up together, crowds are thinned, and what both splits show is reported."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.training.mining import TeacherVectors, make_answers
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.writer import write_training_set
from uninote.training.from_notes.assembly import assemble, examples_and_halves
from uninote.training.from_notes.examples import Making
from uninote.training.from_notes.groups import Governed, content_digests, govern
from uninote.training.from_notes.leaks import find_leaks
from uninote.training.from_notes.negatives import Window
from uninote.training.from_notes.note_rows import SourceImage, SourceNote
from uninote.training.from_notes.soft_scores import Elements, pools_of, questions_of, take_scores


def note(number, digests=(), title=None, caption=""):
    images = tuple(
        SourceImage(digest, f"sign {digest}", "" if place else caption) for place, digest in enumerate(digests)
    )
    return SourceNote(str(number), title or f"title {number}", f"first. second {number}.", ("a",), images)


def governed_of(notes, linked=(), **settings):
    digests = {one.note_id: content_digests(one) for one in notes}
    return govern(digests, linked, **({"cap": 20, "eval_share": 0.3, "seed": 0} | settings))


def test_duplicates_by_image_text_or_link_are_one_group_of_one_split():
    notes = [note(n, [f"d{n}"]) for n in range(60)]
    notes += [note(100, ["d3"]), note(101, ["x"]), SourceNote("102", "TITLE 7!", "first second 7")]
    found = governed_of(notes, linked=[("101", "5")])
    for twin, original in (("100", "3"), ("101", "5"), ("102", "7")):
        assert (found[twin].group, found[twin].split) == (found[original].group, found[original].split)
    assert len({place.group for place in found.values()}) == 60
    assert {place.split for place in found.values()} == {"train", "eval"}
    assert found == governed_of(notes[::-1], linked=[("101", "5")])


def test_of_a_crowd_some_are_used_and_stock_pictures_make_no_crowd():
    crowd = [note(n, ["same"]) for n in range(30)]
    found = governed_of(crowd, cap=4)
    assert Counter(place.used for place in found.values()) == {True: 4, False: 26}
    stock = governed_of([note(n, ["stock"]) for n in range(60)])
    assert len({place.group for place in stock.values()}) == 60


def test_a_leak_across_the_split_is_reported(tmp_path):
    picture = b"not opened here"
    row = {"kind": "note", "body": "b", "topics": [], "images": [{"digest": "d", "ocr": ""}]}
    items = [
        {"item": 0, "note_id": "a", "group": 0, "split": "train", "title": "A planted twin", **row},
        {"item": 1, "note_id": "b", "group": 1, "split": "eval", "title": "a  planted, twin", **row},
        {"item": 2, "note_id": "c", "group": 2, "split": "eval", "title": "another", **row | {"images": []}},
    ]
    write_training_set(tmp_path / "set", {"items": items, "images": [{"digest": "d", "content": picture}]})
    leaks = find_leaks(TrainingSet(tmp_path / "set").rows())
    assert leaks["images"] == ["d"]
    assert len(leaks["texts"]) == 1


def made(notes, governed):
    making = Making(seed=1)
    return assemble([examples_and_halves(one, making) for one in notes], governed, 3, 0)


def test_equal_contents_are_one_item_of_a_split_and_noise_is_of_other_groups():
    notes = [note(n, [f"{n}a", f"{n}b"], caption="a red cup") for n in range(8)]
    governed = {one.note_id: Governed(n, "eval" if n > 5 else "train", True) for n, one in enumerate(notes)}
    assembly = made(notes, governed)
    captions = [item for item in assembly.items if item["body"] == "a red cup"]
    assert sorted(item["split"] for item in captions) == ["eval", "train"]
    assert len(assembly.ranked) == 8
    for row in assembly.ranked:
        own = assembly.items[row["query"]]
        others = [assembly.items[item] for item in row["noise"]]
        assert own["group"] not in {item["group"] for item in others}
        assert {item["split"] for item in others} <= {own["split"]}
        assert len(others) == (3 if own["split"] == "train" else 1)
    with_pairs = assemble([examples_and_halves(one, Making(note_pairs=True)) for one in notes], governed, 3, 0)
    pairs = [row for row in with_pairs.examples if row["strategy"] == "note_to_note"]
    assert len(pairs) == 8
    for row in pairs:
        query, positive = (with_pairs.items[row[end]] for end in ("query", "positive"))
        assert query["note_id"] == positive["note_id"]
        assert not {one["digest"] for one in query["images"]} & {one["digest"] for one in positive["images"]}
    assert assembly.digests() == {f"{n}{side}" for n in range(8) for side in "ab"}


def test_a_teacher_scores_pairs_and_finds_negatives_in_its_window(tmp_path):
    notes = [note(n, [f"{n}a", f"{n}b"], caption=f"cup {n}") for n in range(30)]
    assembly = made(notes, {one.note_id: Governed(n, "train", True) for n, one in enumerate(notes)})
    elements = Elements.of(assembly.items)
    generator = np.random.default_rng(0)
    topics = generator.standard_normal((30, 16))
    owners = [int(item["note_id"]) for item in assembly.items]
    vectors = np.empty((len(elements.contents), 16), np.float32)
    for item, parts in enumerate(elements.of_item):
        for part in parts:
            vectors[part] = 2 * topics[owners[item]] + generator.standard_normal(16)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    silent = elements.of_item[assembly.examples[0]["query"]][0]
    vectors[silent] = np.nan
    before = len(assembly.examples)
    known = np.flatnonzero(np.isfinite(vectors[:, 0]))
    pq.write_table(pa.table({"item_key": known, "vector": list(vectors[known])}), tmp_path / "said.parquet")
    pools = pools_of(assembly, elements)
    teacher = TeacherVectors(str(tmp_path), len(vectors), 16, "test")
    answer = make_answers(teacher, lambda: pools, dict.fromkeys(pools, Window(0.1, 0.6, 0.01, 5)))
    answers = pa.Table.from_batches(answer(iter(questions_of(assembly, elements).to_batches())))
    counts = take_scores(assembly, answers, 5)
    assert 0 < before - len(assembly.examples) < before / 4
    assert sum(count for name, count in counts.items() if name.startswith("unscored/")) == before - len(
        assembly.examples
    )
    for name, count in counts.items():
        kind, _, strategy = name.partition("/")
        if kind == "without_negatives":
            assert count == sum(not one["negatives"] for one in assembly.examples if one["strategy"] == strategy)
    mined = 0
    for one in assembly.examples:
        assert len(one["negatives"]) == len(one["negative_scores"]) <= 5
        own = assembly.items[one["query"]]["group"]
        for item, score in zip(one["negatives"], one["negative_scores"], strict=True):
            if assembly.items[item]["group"] != own:
                mined += 1
                assert 0.1 <= score <= min(0.6, one["positive_score"] - 0.01 + 1e-6)
                assert assembly.items[item]["kind"] == one["strategy"].split("_to_")[1]
    assert mined > len(assembly.examples)
    query = vectors[elements.of_item[one["query"]]]
    answer = vectors[elements.of_item[one["positive"]]]
    assert one["positive_score"] == pytest.approx((query @ answer.T).max(axis=1).mean(), abs=1e-5)
