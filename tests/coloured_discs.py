"""Rows of a small training set about coloured discs."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

COLOURS = ("red", "green", "blue", "orange", "purple", "black", "cyan", "brown", "pink", "yellow")


def picture(colour: str, shape: str = "disc") -> bytes:
    image = Image.new("RGB", (64, 64), "white")
    draw = getattr(ImageDraw.Draw(image), "ellipse" if shape == "disc" else "rectangle")
    draw((12, 12, 52, 52), fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def set_rows(colours=COLOURS, scores: bool = True, train: int = 8) -> dict[str, list[dict]]:
    """Two notes' worth of items for each colour: an image, a text, and a note of both; the last colours are for eval."""
    tables: dict[str, list[dict]] = {"items": [], "images": [], "examples": [], "ranked": []}
    for number, colour in enumerate(colours):
        split = "train" if number < train else "eval"
        tables["images"].append({"digest": colour, "content": picture(colour)})
        shared = {"note_id": colour, "group": number, "split": split, "topics": [colour, "paint"]}
        first = 3 * number
        images = [{"digest": colour, "ocr": ""}]
        tables["items"] += [
            {"item": first, "kind": "image", "images": images} | shared | {"topics": []},
            {"item": first + 1, "kind": "text", "body": f"a {colour} disc", "images": []} | shared,
            {"item": first + 2, "kind": "note", "title": f"{colour} things", "images": images} | shared,
        ]
        other = (
            3 * ((number + 1) % train)
            if split == "train"
            else 3 * (train + (number + 1 - train) % (len(colours) - train))
        )
        for strategy, query, positive in (("image_to_text", 0, 1), ("text_to_image", 1, 0), ("text_to_note", 1, 2)):
            tables["examples"].append(
                {
                    "strategy": strategy, "query": first + query, "positive": first + positive, "split": split,
                    "negatives": [other + positive], "positive_score": 0.9 if scores else None,
                    "negative_scores": [0.55] if scores else None,
                }
            )  # fmt: skip
        tables["ranked"].append(
            {"query": first + 2, "relevant": [first + 1, first], "noise": [other, other + 2], "split": split}
        )
    return tables
