"""Guessing which column holds what."""

from __future__ import annotations

import pytest

from uninote.notes.ingest.columns import SourceColumnsError, map_columns


def test_guesses_ignore_case_and_take_the_best_name_first():
    mapping = map_columns(["ID", "item_id", "Title", "text", "tags", "image"], {})
    assert mapping == {"note_id": "item_id", "title": "Title", "body": "text", "topics": "tags", "images": "image"}


def test_a_chosen_column_wins_and_is_not_guessed_for_another_field():
    mapping = map_columns(["id", "title", "text", "content"], {"title": "text"})
    assert mapping["title"] == "text"
    assert mapping["body"] == "content"


def test_a_description_is_the_body_where_there_is_no_other():
    assert map_columns(["id", "description"], {})["body"] == "description"


def test_a_chosen_column_that_is_not_there_is_refused_with_what_is():
    with pytest.raises(SourceColumnsError, match=r"body: txt\. The source has: id, text"):
        map_columns(["id", "text"], {"body": "txt"})


def test_an_unknown_field_is_refused_with_the_known_ones():
    with pytest.raises(SourceColumnsError, match=r"titel \(accepted: note_id, title"):
        map_columns(["id", "text"], {"titel": "text"})


def test_a_source_without_id_or_without_content_is_refused_with_the_remedy():
    with pytest.raises(SourceColumnsError, match=r"ingest\.columns\.note_id=<column>"):
        map_columns(["title"], {})
    with pytest.raises(SourceColumnsError, match=r"ingest\.columns\.body=<column>"):
        map_columns(["id", "colour"], {})


def test_names_that_differ_only_in_case_are_refused_where_either_may_be_meant():
    with pytest.raises(SourceColumnsError, match=r"Title and title differ only in case .*ingest\.columns\.title=Title"):
        map_columns(["id", "Title", "title"], {})
    assert map_columns(["id", "Title", "title"], {"title": "title"})["title"] == "title"
    assert "etag" not in map_columns(["id", "text", "etag", "ETag"], {})
