"""A note as examples are made of it: plain data, made from a table row."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from uninote.training.dataset.strategies import IMAGE, NOTE, OCR, TEXT


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image by the digest of its content, the text read in it and its description; "" where there is none."""

    digest: str
    ocr: str = ""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class SourceNote:
    """A note with sound images only. `caption` describes a note without any; "" none."""

    note_id: str
    title: str = ""
    body: str = ""
    topics: tuple[str, ...] = ()
    images: tuple[SourceImage, ...] = ()
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What an item shows to the model, before it has a number. Equal contents are one item."""

    kind: str
    title: str = ""
    body: str = ""
    topics: tuple[str, ...] = ()
    images: tuple[tuple[str, str], ...] = ()  # digest, ocr
    described: str = ""  # stands in the place of an image
    asked: int | None = None  # the place of the image whose OCR is the query

    def as_row(self) -> dict[str, Any]:
        """Return the columns of `schemas.ITEMS` that it fills: kind, title, body, topics, images, described, asked."""
        images = []
        for digest, ocr in self.images:
            images.append({"digest": digest, "ocr": ocr})
        return {
            "kind": self.kind,
            "title": self.title,
            "body": self.body,
            "topics": list(self.topics),
            "images": images,
            "described": self.described,
            "asked": self.asked,
        }


def mark_of(content: Content) -> str:
    """Return 32 hexadecimal characters of a hash of what the content shows: the same in every set, whatever its number."""
    row = content.as_row()
    # Where nothing is asked the hash is that of rows without the column, by which scores of judges are stored.
    if content.asked is None:
        del row["asked"]
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:32]


def content_of(row: Mapping[str, Any]) -> Content:
    """Return the content that `as_row` made the row of; other columns may stand beside."""
    images = tuple((image["digest"], image["ocr"]) for image in row["images"])
    return Content(row["kind"], row["title"], row["body"], tuple(row["topics"]), images, row["described"], row["asked"])


def image_content(image: SourceImage) -> Content:
    """Return the image alone, without its OCR."""
    return Content(IMAGE, images=((image.digest, ""),))


def text_content(text: str) -> Content:
    """Return a description alone."""
    return Content(TEXT, body=text.strip())


def ocr_content(text: str) -> Content:
    """Return an OCR string alone."""
    return Content(OCR, body=text.strip())


def note_content(note: SourceNote, images: Sequence[SourceImage], described: str = "") -> Content:
    """Return the note with these of its images, and in the place of another one its description."""
    shown = tuple(map(attrgetter("digest", "ocr"), images))
    return Content(NOTE, note.title, note.body.strip(), note.topics, shown, described.strip())


def elements_of(content: Content) -> list[Content]:
    """Return the parts of an item, each alone, for MaxSim: its images, their OCR strings, a description, and its text as one.

    As a part of the text a description would be lost in it, and the note would score as the same note without it.
    """
    images = []
    read = []
    for digest, ocr in content.images:
        images.append(Content(IMAGE, images=((digest, ""),)))
        if ocr.strip():
            read.append(ocr_content(ocr))
    elements = images + read
    if content.described.strip():
        elements.append(text_content(content.described))
    if content.title.strip() or content.body.strip() or content.topics:
        elements.append(Content(TEXT, content.title, content.body, content.topics))
    return elements


def described_images(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the images of a row of notes that lie somewhere, each with its `caption`, null without one.

    The note's caption is that of its first image where that has none: where that cannot be read, it describes no other.
    """
    images = []
    for image in row["images"] or ():
        if image and image["uri"]:
            images.append({"caption": None} | image)
    if images and not (images[0]["caption"] or "").strip():
        images[0]["caption"] = row["caption"]
    return images


def generator_of(seed: int, note_id: str) -> random.Random:
    """Return a random generator that depends on these alone: it draws the same on any worker and any day."""
    return random.Random(hashlib.sha256(f"{seed}\0{note_id}".encode("utf-8", "surrogatepass")).digest())


def source_note(row: Mapping[str, Any]) -> SourceNote:
    """Return a note from a row: note_id, title, body, topics, caption, images [{digest, ocr, caption}]; any may be null."""
    images = []
    for image in row.get("images") or ():
        if image and image.get("digest"):
            images.append(SourceImage(image["digest"], image.get("ocr") or "", image.get("caption") or ""))
    return SourceNote(
        note_id=str(row["note_id"]),
        title=row.get("title") or "",
        body=row.get("body") or "",
        topics=tuple(filter(None, row.get("topics") or ())),
        images=tuple(images),
        caption=row.get("caption") or "",
    )
