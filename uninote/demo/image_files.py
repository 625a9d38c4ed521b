"""What lies at an image's uri: the scene drawn, varied and encoded, or what a broken file holds."""

from __future__ import annotations

from uninote.demo.broken import damaged_bytes
from uninote.demo.material.random_streams import random_stream
from uninote.demo.pictures.drawing import crop_edges, draw_scene, encode_image
from uninote.demo.pictures.scenes import choose_scene
from uninote.demo.pictures.subjects import SUBJECTS
from uninote.demo.records import DemoImage


def image_bytes(image: DemoImage, seed: int) -> bytes | None:
    """Return the content of the image's file, null when there is to be none."""
    sound = _sound_bytes(image, seed)
    return damaged_bytes(image.damage, sound) if image.damage else sound


def _sound_bytes(image: DemoImage, seed: int) -> bytes:
    rng = random_stream(seed, "file", image.uri)
    scene = image.scene or choose_scene(rng, rng.choice(list(SUBJECTS)))
    # The stream is named by the drawing, not by the file: copies of a scene have equal pixels before their edit.
    pixels = draw_scene(scene, random_stream(seed, "draw", image.drawing or image.uri))
    if image.edit == "crop":
        pixels = crop_edges(pixels, rng)
    quality = 55 if image.edit == "recompress" else 78
    return encode_image(pixels, image.uri.rpartition(".")[2], rng, quality)
