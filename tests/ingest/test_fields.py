"""What values of a source mean for the fields of a note."""

from __future__ import annotations

import math
from datetime import time
from decimal import Decimal
from uuid import UUID

import pytest

from uninote.media.fetching import inline_uri
from uninote.notes.ingest.fields import FieldError, id_number, id_text, text_of, topics_of
from uninote.notes.ingest.image_fields import contents_of, images_of
from uninote.notes.ingest.list_text import file_in


def images(value, ocr=None, folder=None):
    return [(image.uri, image.ocr) for image in images_of(value, ocr, None, file_in(folder))]


def captions(value, described=None):
    return [(image.uri, image.caption) for image in images_of(value, None, described, file_in(None))]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is ", "as it is "),
        (7, "7"),
        (2**70, str(2**70)),
        (True, "true"),
        (1.5, "1.5"),
        (math.nan, None),
        (Decimal("1.50"), "1.50"),
        (time(3, 4), "03:04:00"),
        (["a", None, "b"], "a\nb"),
        ({"en": "C"}, "C"),
        ({"lang": "en", "text": "C"}, "C"),
        ({"en": None}, None),
        ("half \ud800", "half �"),
    ],
)
def test_texts_are_taken_as_they_are_or_out_of_what_holds_one(value, text):
    assert text_of("title", value) == text


@pytest.mark.parametrize("value", [{"en": "C", "zh": "D"}, [["a"]], b"bytes", {"a": 1}])
def test_what_holds_no_one_text_is_refused(value):
    with pytest.raises(FieldError, match="title must be text; here it is"):
        text_of("title", value)


@pytest.mark.parametrize(
    ("value", "topics"),
    [
        ("#food，travel; cats", ["food", "travel", "cats"]),
        ("['street food', 'it\\'s']", ["street food", "it's"]),
        ('["green tea", "drink"]', ["green tea", "drink"]),
        ("['a' 'b c']", ["a", "b c"]),
        ("[street food, soup]", ["street food", "soup"]),
        (["street food", " soup ", None, ""], ["street food", "soup"]),
        ([1, 2.5], ["1", "2.5"]),
        ([{"name": "soup", "id": 3}], ["soup"]),
        ("[]", []),
        ("nan", []),
        (None, []),
        (7, ["7"]),
    ],
)
def test_topics_are_a_lists_entries_or_what_stands_between_separators(value, topics):
    assert topics_of(value) == topics


@pytest.mark.parametrize(
    ("value", "uris"),
    [
        (["a.png", None, "b.png"], ["a.png", "b.png"]),
        ("a.png; b.png", ["a.png", "b.png"]),
        ('["a.png", "b.png"]', ["a.png", "b.png"]),
        ("['img/a one.jpg', 'img/b,two.jpg']", ["img/a one.jpg", "img/b,two.jpg"]),
        ("https://x/w_200,h_300/t.jpg", ["https://x/w_200,h_300/t.jpg"]),
        ("https://x/a.jpg,https://x/b.jpg", ["https://x/a.jpg", "https://x/b.jpg"]),
        ("https://x/1,https://x/2", ["https://x/1", "https://x/2"]),
        ("data:image/png;base64,iVBORw0KGgo=", ["data:image/png;base64,iVBORw0KGgo="]),
        ("soup, warm.jpg", ["soup, warm.jpg"]),
        ("a,b", ["a", "b"]),
        ("", []),
        ("None", []),
        ({"path": "a.png", "width": 3}, ["a.png"]),
        ([{"url": None}], []),
    ],
)
def test_images_come_as_lists_texts_or_structs(value, uris):
    assert [uri for uri, _ in images(value)] == uris


def test_a_name_with_separators_is_one_image_where_such_a_file_exists(tmp_path):
    for name in ("a, b.jpg", "c.jpg; d.jpg", "nan"):
        (tmp_path / name).touch()
    assert images("a, b.jpg", folder=tmp_path) == [("a, b.jpg", None)]
    assert images("x.jpg, c.jpg; d.jpg, y.jpg", folder=tmp_path) == [
        ("x.jpg", None),
        ("c.jpg; d.jpg", None),
        ("y.jpg", None),
    ]
    assert images("nan", folder=tmp_path) == [("nan", None)]


@pytest.mark.parametrize(
    ("found", "ocr", "pairs"),
    [
        (["a.png", "b.png"], [None, "sale"], [("a.png", None), ("b.png", "sale")]),
        (None, "sale", [(None, "sale")]),
        (["a.png"], [{"text": "SALE 50%", "box": [[1, 2], [3, 4]], "conf": 0.98}], [("a.png", "SALE 50%")]),
        (["a.png"], [[{"text": "A"}, {"text": "B"}]], [("a.png", "A\nB")]),
        (["a.png"], "['SALE', 'SOUP']", [("a.png", "SALE"), (None, "SOUP")]),
        ([{"path": "a.png", "ocr": {"text": "SALE", "conf": 1}}], None, [("a.png", "SALE")]),
    ],
)
def test_ocr_goes_with_the_images_in_order_and_stands_alone_without(found, ocr, pairs):
    assert images(found, ocr) == pairs


@pytest.mark.parametrize(
    ("found", "ocr", "message"),
    [
        ([{"label": "a.png"}], None, "images need one of uri, path"),
        ([5], None, "images must be paths, URIs or bytes"),
        (["a.png"], [[[[1, 2]], ["SALE", 0.9]]], "ocr must be text, or objects with a text"),
        (["a.png"], [{"box": [1], "conf": 0.9}], "ocr must be text"),
    ],
)
def test_images_and_ocr_of_other_shapes_are_refused(found, ocr, message):
    with pytest.raises(FieldError, match=message):
        images(found, ocr)


@pytest.mark.parametrize(
    ("found", "described", "pairs"),
    [
        ([{"path": "a.png", "caption": "a cup"}, {"path": "b.png"}], None, [("a.png", "a cup"), ("b.png", None)]),
        ([{"src": "a.png", "alt": "a cup"}, "b.png"], [None, "a bowl"], [("a.png", "a cup"), ("b.png", "a bowl")]),
        ([{"path": "a.png", "caption": "own"}], ["other"], [("a.png", "own")]),
        ("a.png; b.png", "['a cup', 'a bowl']", [("a.png", "a cup"), ("b.png", "a bowl")]),
        ("a.png", "a cup, red", [("a.png", "a cup, red")]),
        (["a.png", None, "c.png"], ["a cup", None, "a fork"], [("a.png", "a cup"), ("c.png", "a fork")]),
        (["a.png"], ["a cup", None, ""], [("a.png", "a cup")]),
        ([{"path": "a.png", "caption": ["a cup", "red"]}], None, [("a.png", "a cup\nred")]),
        (None, ["nothing to describe"], []),
        (["a.png"], "null", [("a.png", None)]),
    ],
)
def test_captions_are_those_of_images_or_go_with_them_in_order(found, described, pairs):
    assert captions(found, described) == pairs


@pytest.mark.parametrize(
    ("found", "described", "message"),
    [
        (["a.png"], ["a cup", "a bowl"], "image_captions are 2 for 1 images; give one for each image"),
        (["a.png"], [["nested"], [["twice"]]], "image_captions must be text"),
        ([{"path": "a.png", "caption": {"en": "a cup", "zh": "杯子"}}], None, "caption must be text"),
    ],
)
def test_captions_that_nobody_can_give_to_an_image_are_refused(found, described, message):
    with pytest.raises(FieldError, match=message):
        captions(found, described)


def test_images_that_are_bytes_go_by_their_hash():
    assert images([b"red", {"bytes": b"red", "path": "r.png"}, {"bytes": None, "path": "r.png"}]) == [
        (inline_uri(b"red"), None),
        (inline_uri(b"red"), None),
        ("r.png", None),
    ]
    assert contents_of([b"red", {"bytes": b"blue", "path": "r.png"}, "a.png", None]) == [b"red", b"blue"]


def test_ids_are_whole_numbers_or_trimmed_texts():
    assert [id_number(value) for value in (7, 7.0, Decimal("7.00"), None, math.nan)] == [7, 7, 7, None, None]
    uuid = UUID("881dd1e7-f105-454d-b0c8-6231bfe1b7a0")
    assert [id_text(value) for value in (" 007 ", 7, 7.0, 2**64, uuid, "  ", None)] == [
        "007",
        "7",
        "7",
        str(2**64),
        str(uuid),
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("value", "message"), [(1.5, "whole"), (2**63, "64-bit"), (1e17, r"2\^53"), (True, "whole"), ("x", "whole")]
)
def test_ids_that_no_bigint_holds_are_refused(value, message):
    with pytest.raises(FieldError, match=message):
        id_number(value)


@pytest.mark.parametrize("value", [[1], {"a": 1}, True, "half \ud800"])
def test_ids_that_are_no_scalars_are_refused(value):
    with pytest.raises(FieldError, match="note_id"):
        id_text(value)
