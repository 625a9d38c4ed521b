"""What near-duplicates share, what one note gives, and what a teacher makes of examples: as executors compute them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.training.mining import POOLS, Pools, TeacherVectors, make_answers, make_scored
from uninote.training.from_notes.assembly import draft_of, examples_and_halves
from uninote.training.from_notes.examples import Making
from uninote.training.from_notes.groups import content_digests, note_digests
from uninote.training.from_notes.leaks import shown_digests
from uninote.training.from_notes.negatives import Window
from uninote.training.from_notes.note_rows import Content, SourceImage, SourceNote, content_of
from uninote.training.from_notes.soft_scores import QUESTIONS, element_texts, stand_ins_of


def note(number, digests=(), title=None, caption=""):
    images = tuple(
        SourceImage(digest, f"sign {digest}", "" if place else caption) for place, digest in enumerate(digests)
    )
    return SourceNote(str(number), title or f"title {number}", f"first. second {number}.", ("a",), images)


def test_copies_share_the_letters_of_a_text_and_the_images():
    one, other = note(7, ["d1", "d2"]), SourceNote("102", "TITLE 7!", "first second 7", images=(SourceImage("d1"),))
    shared = set(content_digests(one)) & set(content_digests(other))
    assert {"d1"} < shared
    assert len(shared) == 2
    assert content_digests(SourceNote("x")) == []
    # One more is of copies in full, which these are not.
    assert note_digests(SourceNote("x")) == []
    assert not set(note_digests(one)[2:]) & set(note_digests(other)[2:])
    copy = replace(one, note_id="8", topics=("b",), title="TITLE 7")
    assert note_digests(copy) == note_digests(one)
    assert note_digests(copy)[-1].startswith("whole:")


def test_what_items_show_is_compared_but_for_what_is_read_in_images():
    twin = shown_digests([Content("note", "A planted twin", "b", images=(("d", ""),))])
    assert twin == shown_digests(
        [Content("note", "a  planted, twin", "b", images=(("d", "x"),)), Content("ocr", body="z")]
    )
    assert "d" in twin
    assert len(twin) == 2
    described = shown_digests([Content("note", "A", "b", described="c")])
    assert described == shown_digests([Content("text", body="A b c")])


def test_a_draft_names_each_content_once():
    found = examples_and_halves(note(1, ["a", "b"], caption="a red cup"), Making(note_pairs=True))
    draft = draft_of(found)
    contents = list(map(content_of, draft["contents"]))
    assert len(set(contents)) == len(contents)
    assert len({content["mark"] for content in draft["contents"]}) == len(contents)
    for row, one in zip(draft["examples"], found.examples, strict=True):
        assert row["strategy"] == one.strategy.value
        assert (contents[row["query"]], contents[row["positive"]]) == (one.query, one.positive)
        assert (one.by_rule is None) == (row["by_rule"] is None)
    assert tuple(contents[place] for place in draft["halves"]["relevant"]) == found.halves.relevant
    (pair,) = [one for one in found.examples if one.strategy.value == "note_to_note"]
    assert not dict(pair.query.images).keys() & dict(pair.positive.images).keys()


def test_texts_stand_in_for_images_that_a_teacher_does_not_see():
    images = (SourceImage("a", "SALE", "a red bag"), SourceImage("b", "OPEN"), SourceImage("c"))
    shown = stand_ins_of(SourceNote("1", images=images))
    alone = [element_texts(Content("image", images=((digest, ""),)), shown) for digest in "abc"]
    assert alone == [element_texts(Content("text", body=text)) for text in ("a red bag", "OPEN")] + [[]]
    note = Content("note", "Bags", images=(("a", "SALE"), ("c", "")), described="a red bag")
    parts = map(json.loads, element_texts(note, shown))
    assert [(part["kind"], part["title"] + part["body"]) for part in parts] == [
        ("text", "a red bag"),
        ("ocr", "SALE"),
        ("text", "Bags"),
    ]
    assert len(element_texts(note)) == 5


def test_halves_that_share_images_are_pairs_where_it_is_wanted():
    making = Making(note_pairs=True, shared_images=True)
    found = examples_and_halves(note(1, ["a", "b", "c"], caption="a red cup"), making)
    pairs = [one for one in found.examples if one.strategy.value == "note_to_note"]
    assert [one.positive for one in pairs] == list(found.halves.relevant)
    shared = [len(dict(one.query.images).keys() & dict(one.positive.images).keys()) for one in pairs]
    assert shared == [2, 1, 0]


WIDTH = 16


@pytest.fixture
def asked(tmp_path):
    """Questions about thirty notes' text to note pairs, the places of their elements' vectors, and what a teacher says."""
    generator = np.random.default_rng(0)
    elements: dict[str, int] = {}
    rows, pool, topics = [], [], []

    def of(content, number):
        places = []
        for text in element_texts(content):
            if text not in elements:
                topics.append(number)
            places.append(elements.setdefault(text, len(elements)))
        return places

    for number in range(30):
        found = examples_and_halves(note(number, [f"{number}a", f"{number}b"], caption=f"cup {number}"), Making())
        one = next(one for one in found.examples if one.strategy.value == "text_to_note")
        parts = [of(content, number) for content in (one.query, one.positive, one.by_rule)]
        mark = int(generator.integers(0, 2**62))
        pool.append({"kind": "note", "item": 100 + number, "group": number, "mark": mark, "elements": parts[1]})
        own = {"query": number, "positive": 100 + number, "by_rule": 200 + number, "group": number, "mark": mark}
        own["answers"] = [number + 1] if number % 2 else []
        named = dict(zip(("query_elements", "positive_elements", "rule_elements"), parts, strict=True))
        rows.append({"strategy": "text_to_note", "kind": "note", **own, **named})
    centres = generator.standard_normal((30, WIDTH))
    vectors = 2 * centres[topics] + generator.standard_normal((len(topics), WIDTH))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pq.write_table(pa.Table.from_pylist(pool[15:], POOLS), tmp_path / "pools.parquet")
    (tmp_path / "more").mkdir()
    pq.write_table(pa.Table.from_pylist(pool[:15], POOLS), tmp_path / "more/pools.parquet")
    return rows, vectors, Pools(str(tmp_path), "test")


def test_a_teacher_scores_pairs_and_finds_negatives_in_its_window(asked, tmp_path_factory):
    rows, vectors, pools = asked
    vectors[rows[3]["query_elements"][0]] = np.nan
    known = np.flatnonzero(np.isfinite(vectors[:, 0]))
    folder = tmp_path_factory.mktemp("said")
    pq.write_table(pa.table({"item_key": known, "vector": list(vectors[known])}), folder / "said.parquet")
    teacher = TeacherVectors(str(folder), len(vectors), WIDTH, "test")
    answer = make_answers(teacher, pools, {"text_to_note": Window(-0.5, 0.6, 0.01, 5)})
    try:
        answers = list(answer(iter(pa.Table.from_pylist(rows, QUESTIONS).to_batches())))
    finally:
        teacher.drop()
        pools.drop()
    scored = []
    for batch in make_scored(5)(one.append_column("split", pa.array(["train"] * len(one))) for one in answers):
        scored += batch.to_pylist()
    assert [row["query"] for row in scored if row["positive_score"] is None] == [3]
    assert scored[3] | {"negatives": [203], "negative_scores": None} == scored[3]
    mined = 0
    for row, question in zip(scored, rows, strict=True):
        if row["positive_score"] is None:
            continue
        query, positive = vectors[question["query_elements"]], vectors[question["positive_elements"]]
        assert row["positive_score"] == pytest.approx((query @ positive.T).max(axis=1).mean(), abs=1e-5)
        assert row["negatives"][0] == question["by_rule"]
        assert len(row["negatives"]) == len(row["negative_scores"]) <= 5
        for item, score in zip(row["negatives"][1:], row["negative_scores"][1:], strict=True):
            mined += 1
            assert item != question["positive"]
            assert -0.5 <= score <= min(0.6, row["positive_score"] - 0.01 + 1e-6)
            other = vectors[rows[item - 100]["positive_elements"]]
            assert score == pytest.approx((query @ other.T).max(axis=1).mean(), abs=1e-5)
    assert mined > 60
