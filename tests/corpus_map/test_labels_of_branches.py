"""Labels: the words that set a branch apart, in scripts with spaces and without."""

from __future__ import annotations

from collections import Counter
from math import log1p

import pytest

from uninote.corpus_map.labels import label_of, labels_among, most_notes
from uninote.corpus_map.words import overlaps, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two days in Kyoto, 2024!", {"two", "days", "kyoto"}),
        ("番茄牛腩", {"番茄", "茄牛", "牛腩"}),
        ("猫 and 狗", {"猫", "狗"}),
        ("我的猫咪很乖", {"猫咪"}),
        ("iPhone手机壳", {"iphone", "手机", "机壳"}),
        ("おいしいラーメンです", {"いラ", "ラー", "ーメ", "メン", "ンで"}),
        ("Übung café naïve", {"übung", "café", "naïve"}),
        ("커피 한잔", {"커피", "한잔"}),
        ("a I x" + "w" * 31, set()),
        ("", set()),
        ("<b>bold</b> &amp;", {"bold", "amp"}),
    ],
)
def test_words_of_a_text(text, words):
    assert words_of(text) == words


def test_pairs_out_of_one_word_overlap():
    assert overlaps("番茄", "茄牛")
    assert overlaps("茄牛", "番茄")
    assert not overlaps("番茄", "牛腩")
    assert not overlaps("stop", "pots")


def counts_of(texts):
    counts = Counter()
    for text in texts:
        counts.update(words_of(text))
    return counts


def test_labels_say_what_sets_a_branch_apart_in_both_scripts():
    coffee = ["the latte of the day", "咖啡拿铁", "手冲咖啡 latte", "the best latte 咖啡"] * 5
    cats = ["the cat sleeps", "猫咪换粮", "cat food 猫咪", "a cat and the 猫咪"] * 5
    climbing = ["the chalk", "climbing shoes", "climbing the wall", "indoor climbing"] * 5
    found = labels_among({0: counts_of(coffee), 4: counts_of(cats), 9: counts_of(climbing)}, 60, 2)
    assert set(found[0]) == {"latte", "咖啡"}
    assert set(found[4]) == {"cat", "猫咪"}
    assert found[9][0] == "climbing"
    assert not any("the" in label for label in found.values())


def test_the_score_is_class_tf_idf():
    mine, totals, scale = {"rare": 4, "often": 6}, {"rare": 4, "often": 90}, 50.0
    scores = {word: mine[word] / 10 * log1p(scale / totals[word]) for word in mine}
    assert label_of(mine, totals, scale, 1_000, 2) == tuple(sorted(scores, key=scores.get, reverse=True))


def test_a_word_of_one_note_or_of_the_language_names_no_branch():
    totals = {"account4711": 1, "der": 500, "beans": 5}
    assert label_of({"account4711": 1, "der": 30, "beans": 5}, totals, 10.0, most_notes(1_000, 256), 4) == ("beans",)
    assert most_notes(1_000, 256) == 100
    assert most_notes(1_000, 4) == 500


def test_equal_scores_give_the_same_label_in_any_order():
    totals = dict.fromkeys(["one", "two", "six"], 3)
    labels = {
        label_of(dict.fromkeys(words, 3), totals, 3.0, 99, 2)
        for words in (["two", "six", "one"], ["one", "two", "six"])
    }
    assert labels == {("one", "six")}
