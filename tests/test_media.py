"""Where a URI leads, which files may be opened, and what tells that one changed."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest
from pictures import encoded, photo, policy, reason_of

from uninote.media.fetching import UNREACHABLE, MediaError, decode, fetch, file_version, inline_uri, load_image


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


# Where a URI leads


@pytest.mark.parametrize("make", ["a.png", "sub/../a.png", "./a.png", "{root}/a.png", "file://{root}/a.png"])
def test_a_file_below_a_root_is_found_however_it_is_written(root, make):
    (root / "sub").mkdir()
    photo().save(root / "a.png")
    assert load_image(make.format(root=root), policy(root)).size == (40, 24)


def test_a_file_uri_may_be_percent_encoded_and_name_this_host(root):
    photo().save(root / "été 1.png")
    assert load_image(f"file://localhost{root}/%C3%A9t%C3%A9%201.png", policy(root)).mode == "RGB"


def test_a_relative_uri_is_looked_for_in_each_root_in_turn(root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    photo(16, 16).save(other / "a.png")
    assert load_image("a.png", policy(root, other)).size == (16, 16)
    photo(8, 8).save(root / "a.png")
    assert load_image("a.png", policy(root, other)).size == (8, 8)


@pytest.mark.parametrize(
    "make", ["../secret.png", "{tmp}/secret.png", "file://{tmp}/secret.png", "/etc/passwd", "link.png"]
)
def test_nothing_outside_the_roots_is_opened(root, tmp_path, make):
    photo().save(tmp_path / "secret.png")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    assert reason_of(make.format(tmp=tmp_path), policy(root)) == "media_outside_roots"
    assert file_version(make.format(tmp=tmp_path), policy(root)) == "missing"


def test_a_sibling_whose_name_starts_like_the_root_is_outside(root, tmp_path):
    (tmp_path / "root-private").mkdir()
    photo().save(tmp_path / "root-private" / "a.png")
    assert reason_of("../root-private/a.png", policy(root)) == "media_outside_roots"


def test_without_roots_nothing_can_be_opened(root):
    photo().save(root / "a.png")
    assert reason_of(f"{root}/a.png", policy()) == "media_outside_roots"


def test_a_link_within_the_root_is_followed(root):
    photo().save(root / "a.png")
    (root / "b.png").symlink_to("a.png")
    assert load_image("b.png", policy(root)).size == (40, 24)


def test_a_link_below_a_root_may_lead_below_another_root(root, tmp_path):
    store = tmp_path / "store" / "ab"
    store.mkdir(parents=True)
    photo().save(store / "cd1234.png")
    (root / "img").mkdir()
    (root / "img" / "a.png").symlink_to("../../store/ab/cd1234.png")
    assert reason_of("img/a.png", policy(root)) == "media_outside_roots"
    assert load_image("img/a.png", policy(root, store)).size == (40, 24)
    assert load_image(f"{root}/img/a.png", policy(root, store)).size == (40, 24)
    assert reason_of("../store/ab/cd1234.png", policy(root, store)) == "media_outside_roots"
    assert reason_of("img/../../store/ab/cd1234.png", policy(root, store)) == "media_outside_roots"


def test_the_links_of_a_model_hubs_cache_lead_to_its_blobs_and_nowhere_else(tmp_path):
    repository = tmp_path / "hub" / "datasets--someone--notes"
    snapshot = repository / "snapshots" / "0a1b2c"
    (snapshot / "img").mkdir(parents=True)
    (repository / "blobs").mkdir()
    photo().save(repository / "blobs" / "fba6", "PNG")
    photo().save(tmp_path / "hub" / "secret.png")
    (snapshot / "img" / "0.png").symlink_to("../../../blobs/fba6")
    (snapshot / "img" / "1.png").symlink_to("../../../../secret.png")
    for root in (snapshot, snapshot / "img", repository / "snapshots"):
        name = str((snapshot / "img" / "0.png").relative_to(root))
        assert load_image(name, policy(root)).size == (40, 24)
    (tmp_path / "current").symlink_to(snapshot)
    assert load_image("img/0.png", policy(tmp_path / "current")).size == (40, 24)
    assert reason_of("img/1.png", policy(snapshot)) == "media_outside_roots"
    assert reason_of("../../blobs/fba6", policy(snapshot)) == "media_outside_roots"
    (repository / "blobs").rename(tmp_path / "elsewhere")
    (repository / "blobs").symlink_to(tmp_path / "elsewhere")
    assert reason_of("img/0.png", policy(snapshot)) == "media_outside_roots"


ODD_NAMES = (
    "[a] {b} *?.png",
    "a#b.png",
    "a%20b.png",
    "back\\slash.png",
    "new\nline.png",
    "a:b.png",
    " a .png",
    "a`b'c\".png",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_taken_as_it_is(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    photo().save(root / "a b.png")
    assert reason_of(name, policy(root)) == "media_missing"
    photo(8, 8).save(root / name, "PNG")
    assert load_image(name, policy(root)).size == (8, 8)
    assert load_image(str(root / name), policy(root)).size == (8, 8)
    assert file_version(name, policy(root)) != "missing"


def test_a_mount_that_is_away_is_not_a_missing_file(root, monkeypatch):
    photo().save(root / "a.png")
    find = Path.stat

    def away(path, **options):
        if path.name == "a.png":
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return find(path, **options)

    monkeypatch.setattr(Path, "stat", away)
    assert reason_of("a.png", policy(root)) == "media_unreachable"
    assert file_version("a.png", policy(root)) == UNREACHABLE


@pytest.mark.parametrize("uri", ["https://host/a.png", "data:image/png;base64,AAAA", "file://host/a.png"])
def test_other_schemes_are_named_as_such(root, uri):
    assert reason_of(uri, policy(root)) == "media_unsupported_scheme"


@pytest.mark.parametrize(
    "uri", ["", " ", "no.png", "a\0b.png", "\ud800.png", "x" * 5000, "loop.png", "folder", "pipe", "file://["]
)
def test_what_is_no_readable_file_is_missing_and_never_another_error(root, uri):
    (root / "folder").mkdir()
    (root / "loop.png").symlink_to("loop.png")
    os.mkfifo(root / "pipe")
    assert reason_of(uri, policy(root)) == "media_missing"
    assert file_version(uri, policy(root)) == "missing"


def test_the_message_can_be_stored_and_the_error_pickled(root):
    with pytest.raises(MediaError) as caught:
        load_image("\ud800" + "x" * 5000, policy(root))
    str(caught.value).encode()
    assert len(str(caught.value)) < 400
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.reason, str(again)) == ("media_missing", str(caught.value))


def test_a_file_that_may_not_be_opened_is_forbidden(root, monkeypatch):
    photo().save(root / "a.png")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # the tests' own user may be one that may open everything
    assert reason_of("a.png", policy(root)) == "media_forbidden"


def test_s3_is_outside_where_no_root_is_s3(root):
    assert reason_of(f"s3://bucket{root}/a.png", policy(root)) == "media_outside_roots"


# Content that came with the row


def test_inline_content_is_checked_like_a_file(root):
    content = encoded(photo(), "PNG")
    uri, empty = inline_uri(content), inline_uri(b"")
    assert fetch(uri, policy(), {uri: content}) == content
    assert decode(content, uri, policy()).size == (40, 24)
    for name, allowed, inline, reason in (
        (uri, policy(), None, "media_missing"),
        (uri, policy(), {empty: b""}, "media_missing"),
        (empty, policy(), {empty: b""}, "media_empty"),
        (uri, policy(max_bytes=10), {uri: content}, "media_too_large"),
    ):
        with pytest.raises(MediaError) as caught:
            fetch(name, allowed, inline)
        assert caught.value.reason == reason


def test_the_uri_of_inline_content_is_its_hash():
    assert inline_uri(b"one") != inline_uri(b"two")
    assert file_version(inline_uri(b"one"), policy()) == "inline"


def test_only_a_whole_inline_uri_is_one(root):
    (root / "inline:abc").write_bytes(b"a file of that name")
    assert fetch("inline:abc", policy(root), {"inline:abc": b"other"}) == b"a file of that name"


def test_empty_large_and_foreign_files_have_reasons_of_their_own(root):
    (root / "empty.png").touch()
    (root / "large.png").write_bytes(b"x" * 1001)
    (root / "text.png").write_text("not an image")
    (root / "figure.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    reasons = [
        reason_of(name, policy(root, max_bytes=1000)) for name in ("empty.png", "large.png", "text.png", "figure.eps")
    ]
    assert reasons == ["media_empty", "media_too_large", "media_undecodable", "media_undecodable"]


# What tells that a file changed


def test_the_version_changes_with_the_file_and_opens_nothing(root):
    path = root / "a.png"
    path.write_bytes(b"not even an image")
    first = file_version("a.png", policy(root))
    assert first == file_version(f"file://{path}", policy(root)) != "missing"
    os.utime(path, ns=(1, 1))
    second = file_version("a.png", policy(root))
    path.write_bytes(b"longer than before, but just as old")
    os.utime(path, ns=(1, 1))
    assert len({first, second, file_version("a.png", policy(root))}) == 3
