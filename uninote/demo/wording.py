"""The texts of a note: composed from templates, paraphrased for near-duplicates, continued by later edits."""

from __future__ import annotations

import random
from collections.abc import Iterable

from uninote.demo.dice import chance
from uninote.demo.scenes import Scene, name_subject, with_article
from uninote.demo.words import CLOSINGS, DAYS, FRIENDS, OPENINGS, PLACES, TITLES, Topic

_SYNONYMS = {
    "zh": (
        ("真的", "确实"),
        ("太好看", "超好看"),
        ("最近", "这阵子"),
        ("一起", "结伴"),
        ("每天", "天天"),
        ("喜欢", "中意"),
        ("值得", "不亏"),
        ("最好", "最佳"),
        ("刚好", "正好"),
        ("左右", "上下"),
    ),
    "en": (
        ("really", "truly"),
        ("Lately", "These days"),
        ("worth it", "worth the money"),
        ("finally", "at last"),
        ("notes", "remarks"),
        ("about", "around"),
        ("enough", "plenty"),
        ("never", "not once"),
        ("best", "finest"),
        ("Several", "A few"),
    ),
}
_PRICES = (19, 29, 39, 49, 58, 68, 79, 88, 99, 128, 168, 199, 258, 329)
_PREFIXES = {"zh": ("转存｜", "【分享】", "马住："), "en": ("Re: ", "Sharing: ", "PSA: ")}
_UPDATES = {
    "zh": ("更新：用了{n}周，依然推荐。", "补充一句，{place}的店已经涨到{price}元。", "{day}又去了一次，感受差不多。"),
    "en": (
        "Update: {n} weeks later I still like it.",
        "One more thing: in {place} it is {price} dollars now.",
        "I tried it again {day}, same feeling.",
    ),
}


class Slots:
    """Fills the slots of templates; whatever a note names twice (place, friend, price) stays the same in it."""

    def __init__(self, topic: Topic, lead: Scene, language: str, rng: random.Random) -> None:
        words = topic.words(language)
        item = name_subject(lead, language)
        self._rng = rng
        self._keywords = words.keywords
        self._fixed = {
            "item": item,
            "a_item": with_article(item),
            "name": words.name,
            "place": rng.choice(PLACES[language]),
            "friend": rng.choice(FRIENDS[language]),
            "day": rng.choice(DAYS[language]),
            "price": str(rng.choice(_PRICES)),
        }

    def fill(self, template: str) -> str:
        """Fill one template; each gets its own number and keyword."""
        text = template.format(**self._fixed, n=self._rng.randint(2, 9), kw=self._rng.choice(self._keywords))
        return text[0].upper() + text[1:]


def write_title(slots: Slots, language: str, rng: random.Random) -> str:
    """Write a title; one in twenty notes has none."""
    return "" if chance(rng, 0.05) else slots.fill(rng.choice(TITLES[language]))


def write_body(topic: Topic, slots: Slots, language: str, rng: random.Random) -> str:
    """Write one to six sentences, about the topic's facts between an opening and a closing."""
    facts = topic.words(language).facts
    templates = rng.sample(facts, rng.randint(1, len(facts)))
    if chance(rng, 0.8):
        templates.insert(0, rng.choice(OPENINGS[language]))
    templates += rng.sample(CLOSINGS[language], rng.choice((0, 0, 1, 1, 2)))
    return _join((slots.fill(template) for template in templates), language)


def write_update(slots: Slots, language: str, rng: random.Random) -> str:
    """Write the sentence that an author adds a day later."""
    return slots.fill(rng.choice(_UPDATES[language]))


def choose_hashtags(topic: Topic, language: str, rng: random.Random) -> tuple[str, ...]:
    """Choose none to four hashtags of the topic."""
    words = topic.words(language)
    return tuple(rng.sample((words.name, *words.keywords), rng.randint(0, 4)))


def paraphrase(text: str, language: str, rng: random.Random) -> str:
    """Say the same in slightly other words; the result differs from `text` unless that is empty."""
    said = text
    for word, other in _SYNONYMS[language]:
        if chance(rng, 0.7):
            said = said.replace(word, other)
    stop, others = ("。", "。～！") if language == "zh" else (".", ".!;")
    said = said.replace(stop, rng.choice(others))
    if text and (said == text or chance(rng, 0.3)):
        said = rng.choice(_PREFIXES[language]) + said
    return said


def append_sentence(body: str, sentence: str, language: str) -> str:
    """Add a sentence at the end."""
    return _join((part for part in (body, sentence) if part), language)


def _join(sentences: Iterable[str], language: str) -> str:
    return ("" if language == "zh" else " ").join(sentences)
