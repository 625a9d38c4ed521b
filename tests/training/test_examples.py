from dataclasses import replace

import numpy as np

from uninote.training.dataset.strategies import NOTE, STAGE_ONE, Strategy
from uninote.training.from_notes.assembly import examples_and_halves
from uninote.training.from_notes.examples import SURELY_SEEN, Making, examples_of
from uninote.training.from_notes.halves import Ends, further_halves, halves_of
from uninote.training.from_notes.note_rows import (
    Content,
    SourceImage,
    SourceNote,
    described_images,
    elements_of,
    note_content,
    source_note,
)

A = SourceImage("a", "SALE 50%", "a red bag")
B = SourceImage("b", "", "a blue shoe")
C = SourceImage("c")
FULL = SourceNote("n1", "Bags", "First. Second. Third.", ("style",), (A, B, C))


def by_strategy(note, **changes):
    found = {}
    for example in examples_of(note, replace(Making(per_note=9), **changes)):
        found.setdefault(example.strategy, []).append(example)
    return found


def digests(content):
    return [digest for digest, _ in content.images]


def test_stage_one_has_all_strategies_but_note_to_note():
    assert len(Strategy) == 11
    assert set(Strategy) - set(STAGE_ONE) == {Strategy.NOTE_TO_NOTE}


def test_a_note_with_everything_gives_all_nine_and_siblings_with_the_kinds_they_say():
    assert set(by_strategy(FULL)) == set(STAGE_ONE) - {Strategy.IMAGE_TO_IMAGE}
    found = by_strategy(FULL, sibling_pairs=True)
    assert set(found) == set(STAGE_ONE)
    for strategy, examples in found.items():
        kinds = {f"{example.query.kind}_to_{example.positive.kind}" for example in examples}
        assert kinds == {strategy.value}
        assert strategy.value.endswith(f"_to_{strategy.target_kind}")


def test_the_query_image_leaves_its_note_and_its_description_comes_in():
    example = next(e for e in by_strategy(FULL)[Strategy.IMAGE_TO_NOTE] if digests(e.query) == ["a"])
    assert digests(example.positive) == ["b", "c"]
    assert (example.positive.body, example.positive.described) == (FULL.body, "a red bag")
    assert digests(example.by_rule) == ["b", "c"]
    assert (example.by_rule.body, example.by_rule.described) == (FULL.body, "")
    # MaxSim tells them apart: the description is an element of its own.
    alone = set(elements_of(example.positive)) - set(elements_of(example.by_rule))
    assert alone == {Content("text", body="a red bag")}
    assert "SALE" not in str(example.by_rule.images)


def test_without_replacement_the_note_keeps_the_query_image():
    example = by_strategy(FULL, replace=False)[Strategy.IMAGE_TO_NOTE][0]
    assert digests(example.positive) == ["a", "b", "c"]
    assert example.positive.body == FULL.body


def test_an_image_that_models_may_not_see_in_its_place_comes_first():
    images = tuple(SourceImage(str(number), f"sign {number}", f"caption {number}") for number in range(6))
    found = by_strategy(SourceNote("n", "Signs", images=images))
    for strategy in (Strategy.TEXT_TO_NOTE, Strategy.OCR_TO_NOTE):
        shown = {example.query.body[-1]: digests(example.positive) for example in found[strategy]}
        assert shown["3"] == ["0", "1", "2", "3", "4", "5"]
        assert shown["5"] == ["5", "0", "1", "2", "3", "4"]


def test_where_models_see_fewer_images_what_an_example_is_about_is_among_those():
    """Else its note would show nothing of it, and be the negative by rule."""
    images = tuple(SourceImage(str(number), f"sign {number}", f"caption {number}") for number in range(4))
    note = SourceNote("n", "Signs", images=images)
    for seen in (1, 2, 3):
        found = by_strategy(note, seen=seen, replace=False)
        for strategy in (Strategy.TEXT_TO_NOTE, Strategy.OCR_TO_NOTE):
            for example in found[strategy]:
                assert example.query.body[-1] in digests(example.positive)[:seen]
        for example in found[Strategy.IMAGE_TO_NOTE]:
            assert digests(example.query)[0] in digests(example.positive)[:seen]


def test_an_image_without_description_is_never_told_from_its_own_note():
    example = next(e for e in by_strategy(FULL)[Strategy.IMAGE_TO_NOTE] if digests(e.query) == ["c"])
    assert digests(example.positive) == ["a", "b"]
    assert example.by_rule is None


def test_what_a_note_lacks_its_examples_lack():
    bare = SourceNote("n", "title", images=(SourceImage("x"),))
    assert set(by_strategy(bare)) == {Strategy.IMAGE_TO_NOTE, Strategy.NOTE_TO_IMAGE}
    assert by_strategy(SourceNote("n", "only a title")) == {}
    assert by_strategy(SourceNote("n", images=(SourceImage("x"),))) == {}
    captioned = SourceNote("n", "a title", caption="what it is about")
    assert set(by_strategy(captioned)) == {Strategy.TEXT_TO_NOTE, Strategy.NOTE_TO_TEXT}


def test_where_nothing_describes_a_note_its_title_does_if_that_is_asked_for():
    for note, rest in (
        (SourceNote("n", "Dumplings", "Fold. Boil.", ("food",)), "Fold. Boil."),
        (SourceNote("n", "", "Dumplings. Fold. Boil.", ("food",)), "Fold. Boil."),
    ):
        (there, back) = examples_of(note, Making(held_out=True))
        assert (there.strategy, back.strategy) == (Strategy.TEXT_TO_NOTE, Strategy.NOTE_TO_TEXT)
        assert (there.query, there.positive) == (back.positive, back.query)
        assert there.query.body.rstrip(".") == "Dumplings"
        assert there.positive == Content("note", "", rest, ("food",))
        assert examples_of(note, Making()) == []
    for note in (SourceNote("n", "only a title"), SourceNote("n", "", "only a sentence."), SourceNote("n")):
        assert examples_of(note, Making(held_out=True)) == []
    assert Strategy.TEXT_TO_NOTE in by_strategy(FULL, held_out=True)
    assert "Bags" not in [example.query.body for example in by_strategy(FULL, held_out=True)[Strategy.TEXT_TO_NOTE]]


def test_a_notes_caption_describes_its_first_image_and_no_other():
    images = [{"uri": "x", "caption": None}, None, {"uri": None}, {"uri": "y", "caption": "a bowl"}, {"uri": "z"}]
    row = {"images": images, "caption": "first one"}
    assert [image["caption"] for image in described_images(row)] == ["first one", "a bowl", None]
    row["images"][0]["caption"] = "its own"
    assert [image["caption"] for image in described_images(row)] == ["its own", "a bowl", None]
    assert described_images({"images": None, "caption": "of a note without images"}) == []


def test_each_image_is_replaced_by_its_own_description():
    """Of two images alike the one that is described is not mistaken for the other."""
    twins = SourceNote("n", "Bags", images=(A, replace(A, caption=""), B))
    for note, wanted in (
        (FULL, {("a", "a red bag"), ("b", "a blue shoe"), ("c", "")}),
        (twins, {("a", "a red bag"), ("a", ""), ("b", "a blue shoe")}),
    ):
        pairs = by_strategy(note)[Strategy.IMAGE_TO_NOTE]
        assert {(*digests(pair.query), pair.positive.described) for pair in pairs} == wanted
        assert not any(set(digests(pair.query)) & set(digests(pair.positive)) for pair in pairs)


def test_an_image_asks_for_its_note_without_its_description_too_where_that_is_asked_for():
    plain, more = by_strategy(FULL), by_strategy(FULL, undescribed_pairs=True)
    changed = {strategy for strategy in more if set(more[strategy]) != set(plain[strategy])}
    assert changed == {Strategy.IMAGE_TO_NOTE, Strategy.NOTE_TO_IMAGE}
    added = [example for example in more[Strategy.IMAGE_TO_NOTE] if example not in plain[Strategy.IMAGE_TO_NOTE]]
    # The third has no description: without it is how its note is there already.
    assert sorted(map(str, [digests(one.query) for one in added])) == ["['a']", "['b']"]
    for one in added:
        assert (one.positive.described, one.by_rule) == ("", None)
        assert set(digests(one.query)) | set(digests(one.positive)) == {"a", "b", "c"}
        assert len(digests(one.positive)) == 2
    back = {(one.query, one.positive) for one in more[Strategy.NOTE_TO_IMAGE]}
    assert {(one.positive, one.query) for one in added} <= back


def test_siblings_are_two_different_images_of_a_note():
    pairs = by_strategy(FULL, sibling_pairs=True)[Strategy.IMAGE_TO_IMAGE]
    found = {(*digests(one.query), *digests(one.positive)) for one in pairs}
    assert found == {(one, other) for one in "abc" for other in "abc" if one != other}
    assert by_strategy(replace(FULL, images=(A, A)), sibling_pairs=True).keys() == by_strategy(FULL).keys()
    alone = examples_of(FULL, Making(per_note=1, sibling_pairs=True))
    assert alone[:-1] == examples_of(FULL, Making(per_note=1))  # what was drawn of the others stays


def test_a_held_out_image_asks_for_its_note_with_its_description_and_without():
    for changes in ({}, {"undescribed_pairs": True}, {"replace": False}):
        kept = examples_of(FULL, replace(Making(per_note=2), **changes | {"undescribed_pairs": False}))
        drawn = examples_of(FULL, replace(Making(per_note=2, held_out=True), **changes))
        assert drawn[: len(kept)] == kept
        twins = {one.query: one.positive for one in drawn[len(kept) :]}
        told = [one for one in kept if one.strategy is Strategy.IMAGE_TO_NOTE and digests(one.query) != ["c"]]
        assert set(twins) >= {one.query for one in told}
        for query, bare in twins.items():
            assert bare.described == ""
            assert not set(digests(query)) & set(digests(bare))


def test_examples_are_capped_and_depend_on_seed_and_note_only():
    making = Making(per_note=1)
    first = examples_of(FULL, making)
    assert first == examples_of(FULL, making)
    assert len(first) == 9
    drawn = {str(examples_of(replace(FULL, note_id=str(n)), making)[0].query) for n in range(20)}
    assert len(drawn) > 1


def test_rows_with_nulls_become_notes():
    row = {
        "note_id": 7,
        "title": None,
        "images": [{"digest": "x", "ocr": None}, None, {"digest": None}],
        "topics": [None, "t"],
    }
    assert source_note(row) == SourceNote("7", topics=("t",), images=(SourceImage("x"),))
    assert source_note({"note_id": "a"}) == SourceNote("a")


def test_halves_share_no_image_and_the_list_falls_image_by_image():
    halves = halves_of(FULL, 3, SURELY_SEEN)
    mine = digests(halves.query)
    assert len(mine) == 2
    assert [len(digests(one)) for one in halves.relevant] == [3, 2, 1]
    last = digests(halves.relevant[-1])
    assert set(last) | set(mine) == {"a", "b", "c"}
    assert not set(last) & set(mine)
    for wider, narrower in zip(halves.relevant, halves.relevant[1:], strict=False):
        assert digests(narrower) == digests(wider)[:-1]
    assert (halves.query.title, halves.query.body, halves.query.topics) == ("Bags", "First. Second.", ())
    assert {(one.title, one.body, one.topics) for one in halves.relevant} == {("", "Third.", ("style",))}
    assert {one.kind for one in (halves.query, *halves.relevant)} == {NOTE}
    assert halves == halves_of(FULL, 3, SURELY_SEEN)


def test_notes_that_cannot_be_halved_are_left_out():
    for images in ((A,), (A, A)):
        assert halves_of(replace(FULL, images=images), 0, SURELY_SEEN) is None
    assert halves_of(SourceNote("n", "title", images=(A, B)), 0, SURELY_SEEN) is None


def test_relevant_notes_differ_in_what_a_model_sees_of_them():
    """A model that sees four images would take lists of notes with more for one note, repeated."""
    for count in range(2, 9):
        note = replace(FULL, images=tuple(SourceImage(str(number)) for number in range(count)))
        for seen in (1, 2, 3, 4):
            halves = halves_of(note, 5, seen)
            visible = {tuple(digests(one)[:seen]) for one in halves.relevant}
            assert len(visible) == len(halves.relevant) == min(seen, count) // 2 + min(seen, count) % 2 + 1
            assert not set(digests(halves.query)) & set(digests(halves.relevant[-1]))


def test_an_ocr_string_asks_for_its_note_with_its_place():
    images = tuple(SourceImage(str(number), f"sign {number}") for number in range(6))
    for example in by_strategy(SourceNote("n", "Signs", images=images))[Strategy.OCR_TO_NOTE]:
        assert example.positive.images[example.positive.asked] == (example.query.body[-1], example.query.body)
        assert example.by_rule.asked is None
    others = by_strategy(FULL, undescribed_pairs=True, sibling_pairs=True)
    del others[Strategy.OCR_TO_NOTE]
    assert {one.asked for found in others.values() for pair in found for one in (pair.query, pair.positive)} == {None}


def test_further_cuts_are_of_all_notes_with_text_and_repeat_for_a_seed():
    long = replace(FULL, body=" ".join(f"Sentence {number}." for number in range(9)))
    for images in ((), (A,), (A, B, C)):
        note = replace(long, images=images)
        cuts = further_halves(note, 3, SURELY_SEEN, 6)
        assert cuts == further_halves(note, 3, SURELY_SEEN, 6) != further_halves(note, 4, SURELY_SEEN, 6)
        assert len(cuts) == len(set(cuts)) >= 4
        for cut in cuts:
            last = cut.relevant[-1]
            assert f"{cut.query.body} {last.body}".strip() == long.body
            assert sorted(digests(cut.query) + digests(last)) == [image.digest for image in images]
            assert len(cut.relevant) == len(cut.query.images) + 1
    assert further_halves(SourceNote("n", "title", images=(A, B)), 3, SURELY_SEEN, 6) == []
    assert further_halves(FULL, 3, SURELY_SEEN, 0) == []


def test_pairs_are_of_all_cuts_and_lists_of_the_first():
    one, three = (examples_and_halves(FULL, Making(note_pairs=True, note_cuts=cuts)) for cuts in (1, 3))
    assert one.halves == three.halves
    pairs = [[pair for pair in found.examples if pair.strategy is Strategy.NOTE_TO_NOTE] for found in (one, three)]
    assert pairs[0] == pairs[1][:1]
    assert 1 < len(pairs[1]) <= 3


def test_noise_is_of_other_groups_never_relevant_and_repeats_for_a_seed():
    ends = Ends(np.arange(0, 400, 2), np.arange(200) // 4)
    found = ends.noise_of(8, 1, [0, 2], 20, seed=1)
    assert found == ends.noise_of(8, 1, [0, 2], 20, seed=1)
    assert len(set(found)) == 20
    assert not set(found) & {0, 2, 8, 10, 12, 14}
    assert ends.noise_of(8, 1, [0, 2], 20, seed=2) != found
    # Of few lists none is missed.
    assert sorted(Ends(np.arange(4), np.array([0, 1, 1, 2])).noise_of(0, 1, [3], 20, seed=1)) == [0]


def test_equal_contents_are_one_item_and_others_are_not():
    assert len({note_content(FULL, (A,)), note_content(FULL, (A,))}) == 1
    assert note_content(FULL, (A, B)) != note_content(FULL, (B, A))


def test_the_elements_of_a_note_are_its_images_their_writing_and_its_text():
    found = elements_of(note_content(FULL, (A, B)))
    assert [one.kind for one in found] == ["image", "image", "ocr", "text"]
    assert (found[2].body, found[3].title, found[3].topics) == ("SALE 50%", "Bags", ("style",))
    assert elements_of(Content("image", images=(("x", ""),))) == [Content("image", images=(("x", ""),))]
