"""The texts of a note: composed from templates, paraphrased for near-duplicates, continued by later edits."""

from __future__ import annotations

import random
from collections.abc import Iterable

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from uninote.demo.material.data_files import NO_OTHER_KEYS, read_data
from uninote.demo.material.random_streams import chance
from uninote.demo.pictures.scenes import Scene, name_subject, with_article
from uninote.demo.texts.topics import Language, Topic

ByLanguage = dict[Language, tuple[str, ...]]


@dataclass(frozen=True, slots=True, config=NO_OTHER_KEYS)
class Wording:
    """The words that notes of every topic share, by language.

    `titles`, `openings`, `closings` and `updates` are templates whose slots `Slots.fill` fills. `prefixes` and
    `synonyms` (a word and its replacement) are for paraphrases.
    """

    places: ByLanguage
    days: ByLanguage
    friends: ByLanguage
    titles: ByLanguage
    openings: ByLanguage
    closings: ByLanguage
    updates: ByLanguage
    prefixes: ByLanguage
    synonyms: dict[Language, tuple[tuple[str, str], ...]]


WORDING = read_data("wording", TypeAdapter(Wording))
_PRICES = (19, 29, 39, 49, 58, 68, 79, 88, 99, 128, 168, 199, 258, 329)


class Slots:
    """Fills the slots of templates; whatever a note names twice (place, friend, price) stays the same in it."""

    def __init__(self, topic: Topic, lead: Scene, language: Language, rng: random.Random) -> None:
        words = topic.words(language)
        item = name_subject(lead, language)
        self._rng = rng
        self._keywords = words.keywords
        self._fixed = {
            "item": item,
            "a_item": with_article(item),
            "name": words.name,
            "place": rng.choice(WORDING.places[language]),
            "friend": rng.choice(WORDING.friends[language]),
            "day": rng.choice(WORDING.days[language]),
            "price": str(rng.choice(_PRICES)),
        }

    def fill(self, template: str) -> str:
        """Fill one template; each gets its own number and keyword."""
        text = template.format(**self._fixed, n=self._rng.randint(2, 9), kw=self._rng.choice(self._keywords))
        return text[0].upper() + text[1:]


def write_title(slots: Slots, language: Language, rng: random.Random) -> str:
    """Write a title; one in twenty notes has none."""
    return "" if chance(rng, 0.05) else slots.fill(rng.choice(WORDING.titles[language]))


def write_body(topic: Topic, slots: Slots, language: Language, rng: random.Random) -> str:
    """Write one to six sentences, about the topic's facts between an opening and a closing."""
    facts = topic.words(language).facts
    templates = rng.sample(facts, rng.randint(1, len(facts)))
    if chance(rng, 0.8):
        templates.insert(0, rng.choice(WORDING.openings[language]))
    templates += rng.sample(WORDING.closings[language], rng.choice((0, 0, 1, 1, 2)))
    return _join(map(slots.fill, templates), language)


def write_update(slots: Slots, language: Language, rng: random.Random) -> str:
    """Write the sentence that an author adds a day later."""
    return slots.fill(rng.choice(WORDING.updates[language]))


def choose_hashtags(topic: Topic, language: Language, rng: random.Random) -> tuple[str, ...]:
    """Choose none to four hashtags of the topic."""
    words = topic.words(language)
    return tuple(rng.sample((words.name, *words.keywords), rng.randint(0, 4)))


def paraphrase(text: str, language: Language, rng: random.Random) -> str:
    """Say the same in slightly other words; the result differs from `text` unless that is empty."""
    said = text
    for word, other in WORDING.synonyms[language]:
        if chance(rng, 0.7):
            said = said.replace(word, other)
    # Another full stop is a difference too; where nothing differs after all, a prefix makes one.
    stop, others = ("。", "。～！") if language == "zh" else (".", ".!;")
    said = said.replace(stop, rng.choice(others))
    if text and (said == text or chance(rng, 0.3)):
        said = rng.choice(WORDING.prefixes[language]) + said
    return said


def append_sentence(body: str, sentence: str, language: Language) -> str:
    """Add a sentence at the end."""
    return _join(filter(None, (body, sentence)), language)


def _join(sentences: Iterable[str], language: Language) -> str:
    return ("" if language == "zh" else " ").join(sentences)
