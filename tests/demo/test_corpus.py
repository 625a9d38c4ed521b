"""The corpus on disk: reproducible, whole or absent, and true to its truth file."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import datetime

import pytest
from PIL import Image

from uninote.demo import corpus
from uninote.demo.broken import DAMAGES, IMAGE_REJECTS
from uninote.demo.corpus import make_corpus, read_rows
from uninote.demo.workspace import demo_corpus
from uninote.errors import UninoteError
from uninote.media.fetching import MediaError, MediaPolicy, load_image

NUM_NOTES = 600
DIGESTS = {  # SHA-256 of the files for 600 notes and seed 7, of the lines of notes without the captions of their images
    "items.jsonl": "b150da90f38e98f813c73a73c6d6d3dcea7f6e58ad5a206a550e434ef069b550",
    "next_day.jsonl": "52d46621537d205b729aee4d789fdecb178e3d48b31d57cfe2a059de6acaefba",
    "truth.jsonl": "337daed945461925b337130e7a0648ba6c20cc8e53f7f16b8ed5ce0e76f802af",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    make_corpus(folder, NUM_NOTES, seed=7)
    return folder


@pytest.fixture(scope="module")
def items(folder):
    return {row["note_id"]: row for row in read_rows(folder / "items.jsonl")}


@pytest.fixture(scope="module")
def next_day(folder):
    return {row["note_id"]: row for row in read_rows(folder / "next_day.jsonl")}


@pytest.fixture(scope="module")
def truth(folder):
    return {row["note_id"]: row for row in read_rows(folder / "truth.jsonl")}


def content(row):
    return {key: row[key] for key in ("title", "body", "topics", "images")}


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        make_corpus(tmp_path / name, 60, seed)
    assert files(tmp_path / "one") == files(tmp_path / "same")
    assert files(tmp_path / "one") != files(tmp_path / "other")


def test_the_notes_of_a_seed_stay_the_same_in_every_release(folder):
    """Caches and published figures name a corpus by its size and seed alone."""
    found = {}
    for name in DIGESTS:
        lines = map(without_captions, read_rows(folder / name))
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in lines)
        found[name] = hashlib.sha256(text.encode()).hexdigest()
    assert found == DIGESTS


def without_captions(row):
    for image in row["images"]:
        image.pop("caption", None)  # which came later
    return row


def test_every_note_has_every_field(items):
    keys = ["note_id", "title", "body", "caption", "topics", "images"]
    keys += ["category", "author", "language", "visibility", "updated_at"]
    assert len(items) == NUM_NOTES
    for row in items.values():
        assert list(row) == keys
        assert datetime.fromisoformat(row["updated_at"]).utcoffset().total_seconds() == 0
        assert row["language"] in ("zh", "en")
        assert row["visibility"] in ("public", "private")


def test_languages_image_counts_and_duplicates_have_their_shares(items, truth):
    languages = Counter(row["language"] for row in items.values())
    assert 0.5 < languages["zh"] / NUM_NOTES < 0.7
    assert 0.1 < sum(not row["images"] for row in items.values()) / NUM_NOTES < 0.2
    kinds = Counter(row["duplicate_kind"] for row in truth.values())
    assert 0.05 < kinds["repost"] / NUM_NOTES < 0.11
    assert 0.03 < kinds["near"] / NUM_NOTES < 0.08


def test_texts_vary(items):
    assert len({row["body"] for row in items.values()}) > 0.8 * NUM_NOTES


def test_a_repost_is_word_for_word_under_another_author(items, truth):
    reposts = [row for row in truth.values() if row["duplicate_kind"] == "repost" and row["note_id"] in items]
    assert reposts
    for row in reposts:
        copy, original = items[row["note_id"]], items[row["duplicate_of"]]
        assert content(copy) == content(original)
        assert copy["author"] != original["author"]


def test_a_near_duplicate_has_other_words_and_other_files_of_the_same_scenes(folder, items, truth):
    nears = [row for row in truth.values() if row["duplicate_kind"] == "near" and row["change"] is None]
    assert nears
    for row in nears:
        original = truth[row["duplicate_of"]]
        assert items[row["note_id"]]["body"] != items[original["note_id"]]["body"]
        for mine, theirs in zip(row["images"], original["images"], strict=False):
            assert mine["shows"] == theirs["shows"]
            assert (folder / mine["uri"]).read_bytes() != (folder / theirs["uri"]).read_bytes()


def test_captions_describe_images_and_a_notes_the_first_sound_one(items, truth):
    for note_id, row in items.items():
        known = {image["uri"]: image["description"] for image in truth[note_id]["images"]}
        descriptions = [known[image["uri"]] for image in row["images"] if known[image["uri"]]]
        assert [image.get("caption") for image in row["images"]] == [known[image["uri"]] for image in row["images"]]
        assert row["caption"] == (descriptions[0] if descriptions else None)


def test_ocr_is_what_the_image_has_written_in_it(items, truth):
    for note_id, row in items.items():
        known = {image["uri"]: image["shows"]["text"] for image in truth[note_id]["images"] if image["shows"]}
        assert [image["ocr"] for image in row["images"]] == [known.get(image["uri"], "") for image in row["images"]]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_each_damage_is_there_and_is_rejected_for_the_reason_expected(folder, truth):
    policy = MediaPolicy(roots=(str(folder),), max_bytes=32 << 20, max_pixels=50_000_000)
    broken = [image for row in truth.values() for image in row["images"] if image["damage"]]
    assert {image["damage"] for image in broken} == set(IMAGE_REJECTS)
    for image in broken:
        with pytest.raises(MediaError) as caught:
            load_image(image["uri"], policy)
        assert caught.value.reason == image["expected_reject"]


def test_sound_images_can_be_read_and_come_in_several_modes(folder, truth):
    sound = {image["uri"] for row in truth.values() for image in row["images"] if not image["damage"]}
    modes = Counter()
    for uri in sound:
        with Image.open(folder / uri) as image:
            image.load()
            assert 85 <= min(image.size) <= max(image.size) <= 192
            modes[image.format, image.mode] += 1
    assert {("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P")} <= set(modes)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_huge_image_is_huge_in_pixels_only(folder):
    with Image.open(folder / "images/poster.png") as image:
        assert image.size[0] * image.size[1] > 100_000_000
    assert (folder / "images/poster.png").stat().st_size < 500_000


def test_nothing_is_written_outside_the_folder(folder):
    assert [path.name for path in folder.parent.iterdir()] == ["corpus"]


@pytest.mark.parametrize("day", ["items.jsonl", "next_day.jsonl"])
def test_notes_without_usable_content_are_expected_to_be_rejected_and_no_others(folder, truth, day):
    field = "expected_reject" if day == "items.jsonl" else "expected_reject_next_day"
    for row in read_rows(folder / day):
        damaged = {image["uri"] for image in truth[row["note_id"]]["images"] if image["damage"]}
        texts = row["title"] or row["body"] or row["topics"]
        usable = texts or any(image["uri"] not in damaged for image in row["images"])
        expected = None if usable else ("note_unusable" if row["images"] else "note_empty")
        assert truth[row["note_id"]][field] == expected


def test_the_next_day_differs_exactly_as_the_truth_says(items, next_day, truth):
    assert set(truth) == set(items) | set(next_day)
    for note_id, row in truth.items():
        today, later = items.get(note_id), next_day.get(note_id)
        assert (row["change"] == "insert") == (today is None)
        assert (row["change"] == "delete") == (later is None)
        if row["change"] is None:
            assert today == later
        elif today and later:
            assert (content(today) != content(later)) == (row["change"] == "content")
            assert today["updated_at"] < later["updated_at"]


def test_the_changes_of_a_day_have_their_shares(truth):
    changes = Counter(row["change"] for row in truth.values())
    assert (changes["insert"], changes["attributes"], changes["delete"]) == (12, 6, 6)
    assert changes["content"] == 12 + 1  # an empty note is filled


def test_overnight_a_good_note_is_emptied_and_an_empty_one_filled(truth):
    pairs = Counter((row["expected_reject"], row["expected_reject_next_day"]) for row in truth.values())
    assert pairs[None, "note_empty"] == 1
    assert pairs["note_empty", None] == 1


def test_a_small_corpus_has_no_broken_notes_and_yet_a_next_day(tmp_path):
    make_corpus(tmp_path / "small", 10)
    truth = list(read_rows(tmp_path / "small" / "truth.jsonl"))
    assert not [row for row in truth if row["expected_reject"] or any(image["damage"] for image in row["images"])]
    assert {row["change"] for row in truth} == {None, "insert", "content", "attributes", "delete"}


def test_one_of_each_damage_from_200_notes_on(tmp_path):
    make_corpus(tmp_path / "corpus", 200)
    truth = list(read_rows(tmp_path / "corpus" / "truth.jsonl"))
    damages = {image["damage"] for row in truth for image in row["images"]} - {None}
    rejects = {row["expected_reject"] for row in truth} - {None}
    assert len(damages) + len(rejects) == len(DAMAGES)


def test_templates_leave_no_open_slot(items):
    texts = [
        text for row in items.values() for text in (row["title"], row["body"], row["caption"] or "", *row["topics"])
    ]
    assert not [text for text in texts if re.search(r"[{}]", text)]


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(UninoteError, match="not an empty folder: remove it or give another"):
        make_corpus(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_too_few_notes_are_refused(tmp_path):
    with pytest.raises(UninoteError, match=r"corpus of 9 notes .* the least is 10"):
        make_corpus(tmp_path / "corpus", 9)


def test_an_empty_folder_is_filled(tmp_path):
    make_corpus(tmp_path, 10)
    assert (tmp_path / "items.jsonl").exists()


def test_a_corpus_of_an_earlier_release_is_not_taken_for_todays(tmp_path):
    make_corpus(tmp_path / "corpus-10-7", 10)  # named as before, when images had no captions
    found = demo_corpus(str(tmp_path), 10, 7)
    assert found.name != "corpus-10-7"
    written = (found / "items.jsonl").stat().st_mtime_ns
    assert demo_corpus(str(tmp_path), 10, 7) == found
    assert (found / "items.jsonl").stat().st_mtime_ns == written


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "image_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
        make_corpus(tmp_path / "corpus", 10)
    assert not list(tmp_path.iterdir())
