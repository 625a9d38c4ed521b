"""The texts: templates fit every topic, paraphrases differ and say the same."""

from __future__ import annotations

import string

import pytest

from uninote.demo.material.random_streams import random_stream
from uninote.demo.pictures.scenes import choose_scene
from uninote.demo.pictures.subjects import SUBJECTS
from uninote.demo.texts.topics import CATEGORIES, TOPICS
from uninote.demo.texts.wording import WORDING, Slots, paraphrase, write_body, write_title


def test_topics_cover_ten_categories_and_no_subject_belongs_to_two():
    assert len(CATEGORIES) == 10
    assert len(TOPICS) >= 40
    subjects = [subject for topic in TOPICS for subject in topic.subjects]
    assert sorted(subjects) == sorted(SUBJECTS)


def test_signs_are_latin_so_that_the_built_in_font_can_draw_them():
    assert all(sign.isascii() for topic in TOPICS for sign in topic.signs)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_template_of_every_topic_can_be_filled(language):
    for topic in TOPICS:
        slots = Slots(topic, choose_scene(random_stream(1), topic.subjects[0]), language, random_stream(2))
        shared = (*WORDING.titles[language], *WORDING.openings[language], *WORDING.closings[language])
        for template in (*shared, *topic.words(language).facts):
            assert not set(slots.fill(template)) & set("{}")


def test_chinese_words_are_chinese_and_english_ones_are_not():
    for topic in TOPICS:
        assert not topic.zh.name.isascii()
        assert set("".join((topic.en.name, *topic.en.keywords, *topic.en.facts))) <= set(string.printable)


def test_a_body_has_one_to_six_sentences():
    counts = set()
    for n in range(300):
        topic = TOPICS[n % len(TOPICS)]
        slots = Slots(topic, choose_scene(random_stream(n), topic.subjects[0]), "zh", random_stream(n, "slots"))
        body = write_body(topic, slots, "zh", random_stream(n, "body"))
        counts.add(sum(body.count(stop) for stop in "。！～"))
    assert min(counts) >= 1
    assert max(counts) == 6


@pytest.mark.parametrize(("text", "language"), [("一句没有同义词的话", "zh"), ("Plain words", "en")])
def test_a_paraphrase_always_differs(text, language):
    assert all(paraphrase(text, language, random_stream(n)) != text for n in range(50))


def test_a_paraphrase_of_nothing_is_nothing():
    assert paraphrase("", "zh", random_stream(1)) == ""


def test_some_notes_have_no_title():
    topic = TOPICS[0]
    slots = Slots(topic, choose_scene(random_stream(1), topic.subjects[0]), "en", random_stream(2))
    titles = [write_title(slots, "en", random_stream(n)) for n in range(300)]
    assert 0 < titles.count("") < 40
