from uninote.model.identity.frames import FRAME
from uninote.model.qwen.processing.prompts import Kind, Part, parts_of
from uninote.notes.note import Note, NoteImage


def test_the_frame_is_the_published_one():
    assert FRAME.opening + "text" + FRAME.closing == (
        "<|im_start|>system\nRepresent the user's input.<|im_end|>\n"
        "<|im_start|>user\ntext<|im_end|>\n<|im_start|>assistant\n"
    )


def test_parts_come_as_images_each_before_its_ocr_then_title_body_and_topics():
    note = Note(
        " title ", "body\n", ("one", " ", "two"), (NoteImage("a", "seen"), NoteImage("b"), NoteImage("c", "more"))
    )
    assert parts_of(note, 3) == [
        Part(Kind.IMAGE),
        Part(Kind.OCR, "seen"),
        Part(Kind.IMAGE),
        Part(Kind.IMAGE),
        Part(Kind.OCR, "more"),
        Part(Kind.TITLE, "title"),
        Part(Kind.BODY, "body"),
        Part(Kind.TOPICS, "#one #two"),
    ]
    assert [part.kind for part in parts_of(note, 1)] == [Kind.IMAGE, Kind.OCR, Kind.TITLE, Kind.BODY, Kind.TOPICS]


def test_a_single_part_is_an_item_of_its_own():
    assert parts_of(Note(title="a text"), 0) == [Part(Kind.TITLE, "a text")]
    assert parts_of(Note(images=(NoteImage("a"),)), 1) == [Part(Kind.IMAGE)]
    assert parts_of(Note(title=" \n", topics=("",)), 0) == []
