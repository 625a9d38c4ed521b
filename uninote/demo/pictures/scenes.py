"""What an image shows, chosen at random and described in words."""

from __future__ import annotations

import random
from dataclasses import dataclass

from uninote.demo.pictures.subjects import COLOURS, SUBJECTS, WALLS

PATTERNS = ("plain", "striped", "dotted")
_ZH_COUNT = ("零", "一", "两", "三", "四", "五")
_EN_COUNT = ("no", "one", "two", "three", "four", "five")
_ZH_PATTERN = {"plain": "", "striped": "条纹", "dotted": "圆点"}
_EN_PATTERN = {"plain": "", "striped": "striped ", "dotted": "dotted "}


@dataclass(frozen=True, slots=True)
class Scene:
    """`count` subjects of one colour before a background; `text` is what is written in the image, "" when nothing."""

    subject: str
    colour: str
    count: int
    background: str
    pattern: str
    text: str = ""


def choose_scene(rng: random.Random, subject: str, text: str = "") -> Scene:
    """Choose a scene of `subject`, its background never of the subject's own colour."""
    colour = rng.choice(SUBJECTS[subject].colours)
    background = rng.choice([wall for wall in WALLS if wall != colour])
    count = rng.choices((1, 2, 3, 4, 5), weights=(34, 24, 20, 13, 9))[0]
    pattern = rng.choices(PATTERNS, weights=(50, 25, 25))[0]
    return Scene(subject, colour, count, background, pattern, text)


def describe_scene(scene: Scene, language: str, rng: random.Random) -> str:
    """Say what an annotator would about the picture. Written text is left to the OCR string."""
    phrase = _describe_zh(scene) if language == "zh" else _describe_en(scene)
    return rng.choice(phrase)


def name_subject(scene: Scene, language: str) -> str:
    """Name one of the subjects with its colour: "red cup", "红色杯子"."""
    subject = SUBJECTS[scene.subject]
    return COLOURS[scene.colour].zh + subject.zh if language == "zh" else f"{scene.colour} {subject.en}"


def with_article(noun: str) -> str:
    """Put "a" or "an" before an English noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _describe_zh(scene: Scene) -> tuple[str, ...]:
    subject = SUBJECTS[scene.subject]
    what = f"{_ZH_COUNT[scene.count]}{subject.measure}{COLOURS[scene.colour].zh}{subject.zh}"
    wall = f"{COLOURS[scene.background].zh}{_ZH_PATTERN[scene.pattern]}背景"
    return (f"{wall}上的{what}", f"{what}，{wall}", f"图中有{what}，衬着{wall}")


def _describe_en(scene: Scene) -> tuple[str, ...]:
    subject = SUBJECTS[scene.subject]
    what = f"{_EN_COUNT[scene.count]} {scene.colour} {subject.en if scene.count == 1 else subject.plural}"
    wall = f"{_EN_PATTERN[scene.pattern]}{scene.background} background"
    a_wall = with_article(wall)
    return (f"{what} on {a_wall}", f"{what} against {a_wall}", f"a picture of {what}, {wall}")
