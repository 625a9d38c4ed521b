"""Queries of an image and a text, "this, but in purple": embedded as one note, or their parts apart and fused by a rule.

    python benchmarks/composed.py

480 queries are a picture of the demo's and the colour that is wanted; what is sought is the same scene in that colour: subject,
number, background and pattern kept. The gallery has each of 240 scenes in every colour its subject comes in, once as pictures
alone and once with a note's title and body, so each part alone finds many that are wrong. The encoder is the demo's, and the
picture of a query is drawn anew. The last line on stdout is one JSON object: recall at 10 among pictures, the mean over both
languages of the text, as one note [`composed_note`] and by the rule of `search.fusion: parts` [`composed_parts`], and `sets`
with R@1 and R@10 of every way, and chance.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image

from uninote.demo.material.random_streams import random_stream
from uninote.demo.pictures.drawing import draw_scene
from uninote.demo.pictures.scenes import PATTERNS, Scene
from uninote.demo.pictures.subjects import COLOURS, SUBJECTS, WALLS
from uninote.demo.texts.topics import TOPICS
from uninote.demo.texts.wording import Slots, write_body, write_title
from uninote.demo.workspace import demo_checkpoint
from uninote.model.compute.batching import token_batches
from uninote.model.encoder import Encoder, kind_of, load_encoder
from uninote.notes.note import Note, NoteImage
from uninote.search.fusion import background_of, log_fit, strength_of

SCENES = 240
QUERIES_EACH = 2
BACKGROUND = 1_000
PICTURE = (NoteImage("drawn", ""),)
TEXTS: dict[str, Callable[[str], str]] = {"en": lambda colour: f"in {colour}", "zh": lambda colour: COLOURS[colour].zh}
Pair = tuple[Note, list[Image]]


class Query(NamedTuple):
    """A scene in another colour than the one that is wanted, and the place of what is sought in the gallery."""

    scene: Scene
    colour: str
    sought: int


def gallery_of(dice: random.Random) -> list[Scene]:
    """Return SCENES scenes, each in every colour that its subject comes in and its background has not."""
    drawn: dict[Scene, None] = {}
    subjects = [name for name in SUBJECTS if len(SUBJECTS[name].colours) > 2]
    while len(drawn) < SCENES:
        scene = Scene(dice.choice(subjects), "", dice.randint(1, 5), dice.choice(WALLS), dice.choice(PATTERNS))
        drawn[scene] = None
    coloured = []
    for scene in drawn:
        for colour in SUBJECTS[scene.subject].colours:
            if colour != scene.background:
                coloured.append(Scene(scene.subject, colour, scene.count, scene.background, scene.pattern))
    return coloured


def queries_of(gallery: list[Scene], dice: random.Random) -> list[Query]:
    """Return QUERIES_EACH queries of each scene."""
    by_scene: dict[Any, list[int]] = {}
    for place, scene in enumerate(gallery):
        key = (scene.subject, scene.count, scene.background, scene.pattern)
        by_scene.setdefault(key, []).append(place)
    queries = []
    for places in by_scene.values():
        for _ in range(QUERIES_EACH):
            given, sought = dice.sample(places, 2)
            queries.append(Query(gallery[given], gallery[sought].colour, sought))
    return queries


def vectors_of(encoder: Encoder, notes: Iterable[Pair]) -> np.ndarray:
    """Return float32 (n, full width)."""
    prepared = [encoder.prepare(note, images) for note, images in notes]
    vectors = np.empty((len(prepared), encoder.full_width), np.float32)
    for batch in token_batches([one.num_tokens for one in prepared], 8192):
        vectors[batch] = encoder.embed([prepared[place] for place in batch])
    return vectors


def picture_of(scene: Scene, purpose: str) -> Image:
    """Draw a scene; for each purpose anew."""
    return draw_scene(scene, random_stream(1, purpose, str(scene)))


def written(scene: Scene, number: int) -> tuple[str, str]:
    """Return a title and a body as the demo's notes of such a scene have them."""
    dice = random.Random(number)
    topic = dice.choice([topic for topic in TOPICS if scene.subject in topic.subjects])
    slots = Slots(topic, scene, "en", dice)
    return write_title(slots, "en", dice), write_body(topic, slots, "en", dice)


def galleries(encoder: Encoder, scenes: list[Scene]) -> dict[str, np.ndarray]:
    """Return the vectors of pictures alone, and of notes with text."""
    pictures = [picture_of(scene, "gallery") for scene in scenes]
    alone: list[Pair] = []
    notes: list[Pair] = []
    for number, (scene, picture) in enumerate(zip(scenes, pictures, strict=True)):
        alone.append((Note(images=PICTURE), [picture]))
        title, body = written(scene, number)
        notes.append((Note(title, body, images=PICTURE), [picture]))
    return {"pictures": vectors_of(encoder, alone), "notes": vectors_of(encoder, notes)}


def ways(parts: dict[str, np.ndarray], gallery: np.ndarray, sample: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores, (queries, gallery), of each way to ask; `parts` are the vectors of image, text and note."""
    scores = {name: vectors @ gallery.T for name, vectors in parts.items()}
    strengths = {}
    for name, vectors in parts.items():
        backgrounds = background_of(vectors, sample)
        columns = [strength_of(column, backgrounds) for column in scores[name].T]
        strengths[name] = np.stack(columns, axis=1)
    image, text, note = strengths["image"], strengths["text"], strengths["note"]
    return {
        "image alone": scores["image"],
        "text alone": scores["text"],
        "one note": scores["note"],
        "cosines added": scores["image"] + scores["text"],
        "least strength": np.minimum(image, text),
        "strengths added": image + text,
        "product": np.maximum(image, 0) * np.maximum(text, 0),
        "logistic": log_fit(image) + log_fit(text),
        "least strength, and note": np.minimum(np.minimum(image, text), note),
        "strengths added, and note": image + text + note,
        "logistic, and note": log_fit(image) + log_fit(text) + log_fit(note),
    }


def recalls(scores: np.ndarray, sought: np.ndarray) -> list[float]:
    """Return R@1 and R@10."""
    better = (scores > scores[np.arange(len(sought)), sought][:, None]).sum(axis=1)
    return [round(float((better < k).mean()), 4) for k in (1, 10)]


def main() -> None:
    """Ask every gallery in every way."""
    checkpoint = demo_checkpoint()
    encoder = load_encoder(checkpoint, kind_of(checkpoint), threads=1)
    dice = random.Random(0)
    scenes = gallery_of(dice)
    queries = queries_of(scenes, dice)
    sought = np.array([query.sought for query in queries])
    pictures = [picture_of(query.scene, "query") for query in queries]
    images = vectors_of(encoder, [(Note(images=PICTURE), [picture]) for picture in pictures])
    chance = [round(k / len(scenes), 4) for k in (1, 10)]
    sets: dict[str, Any] = {"queries": len(queries), "gallery": len(scenes), "chance": chance}
    vectors = galleries(encoder, scenes)
    drawn = np.random.default_rng(0).permutation(len(scenes))[:BACKGROUND]
    for language, say in TEXTS.items():
        texts = [say(query.colour) for query in queries]
        both = [(Note(body=text, images=PICTURE), [picture]) for text, picture in zip(texts, pictures, strict=True)]
        alone = vectors_of(encoder, [(Note(body=text), []) for text in texts])
        parts = {"image": images, "text": alone, "note": vectors_of(encoder, both)}
        for name, gallery in vectors.items():
            found = ways(parts, gallery, gallery[drawn])
            sets[f"{name}, {language}"] = {way: recalls(scores, sought) for way, scores in found.items()}
    among = [sets[f"pictures, {language}"] for language in TEXTS]
    figures = {}
    for figure, way in (("composed_note", "one note"), ("composed_parts", "logistic, and note")):
        figures[figure] = round(float(np.mean([one[way][1] for one in among])), 4)
    print(json.dumps(figures | {"sets": sets}))


if __name__ == "__main__":
    main()
