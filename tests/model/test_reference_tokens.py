"""The tokens of a prompt are those of transformers' own processor for Qwen3-VL."""

import random
import re

import numpy as np
import pytest
from drawn_notes import draw_note
from PIL import Image
from transformers import AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

from uninote.model.identity.layouts import LAYOUTS
from uninote.model.qwen.processing.processor import NoteProcessor
from uninote.notes.note import Note, NoteImage

# As the published chat_template.json renders turns of texts and images.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class WithoutVideos(Qwen3VLProcessor):
    """The published processor where torchvision, which decodes videos, is not installed."""

    def check_argument_for_proper_class(self, argument_name, argument):
        if argument_name != "video_processor":
            return super().check_argument_for_proper_class(argument_name, argument)
        return type(argument)


@pytest.fixture(scope="module")
def reference(lines_folder):
    """Return a function from texts and images, in order, to the published processor's token ids."""
    images = Qwen2VLImageProcessorPil.from_pretrained(lines_folder)
    processor = WithoutVideos(images, AutoTokenizer.from_pretrained(lines_folder), None, chat_template=CHAT_TEMPLATE)

    def tokens_of(content: list[str | Image.Image]) -> list[int]:
        instruction = [{"type": "text", "text": "Represent the user's input."}]
        parts = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in content]
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": parts}]
        prompt = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        pictures = [part for part in content if not isinstance(part, str)]
        return processor(text=[prompt], images=pictures or None)["input_ids"][0]

    return tokens_of


def content_of(note: Note, images: list[Image.Image]) -> list[str | Image.Image]:
    """A note's parts as this project orders them, each but the last text on lines of its own."""
    parts: list[str | Image.Image] = [note.described]
    for image, shown in zip(images, note.images, strict=True):
        parts += [image, shown.ocr]
    topics = " ".join(f"#{topic.strip()}" for topic in note.topics if topic.strip())
    parts += [note.title, note.body, topics]
    parts = [part for part in parts if not isinstance(part, str) or part.strip()]
    lines = [part.strip() + "\n" if isinstance(part, str) else part for part in parts]
    if lines and isinstance(lines[-1], str):
        lines[-1] = lines[-1].removesuffix("\n")
    return lines


def without_markup(note: Note) -> Note:
    """What users write is never markup here, and always in the published processor."""

    def plain(text):
        return re.sub(r"<\|\w+\|>", "", text)

    images = tuple(NoteImage(image.uri, plain(image.ocr)) for image in note.images[:4])
    return Note(plain(note.title), plain(note.body), tuple(map(plain, note.topics)), images, plain(note.described))


@pytest.mark.parametrize("seed", range(5))
def test_tokens_are_those_of_the_published_processor(lines_folder, reference, seed):
    processor = NoteProcessor.from_pretrained(lines_folder)
    drawing = random.Random(seed)
    compared = 0
    while compared < 100:
        note, images = draw_note(drawing, 12)
        note, images = without_markup(note), images[:4]
        made = processor.prepare(note, images)
        if made.cut.tokens:
            continue
        assert made.input_ids.tolist() == reference(content_of(note, images)), note
        compared += 1


def test_a_title_that_ends_in_punctuation_has_the_published_tokens(lines_folder, reference):
    """In former layouts it had a token more, and the vector of a published model was .977 of a cosine away."""
    note = Note("Pork belly with soy sauce!", "Bread for beginners.", ("food",))
    newest, before = (NoteProcessor.from_pretrained(lines_folder, layout) for layout in (None, LAYOUTS[2]))
    expected = reference(["Pork belly with soy sauce!\nBread for beginners.\n#food"])
    np.testing.assert_array_equal(newest.prepare(note, []).input_ids, expected)
    assert before.prepare(note, []).num_tokens == len(expected) + 2
