"""Images in an object store: which of them may be opened, and whose fault it is when one cannot be."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import pytest
from flaky_proxy import proxy
from PIL import Image

from uninote.media.fetching import UNREACHABLE, MediaError, MediaPolicy, fetch, file_version, load_image
from uninote.storage.s3_client import FAILED_IN_A_ROW
from uninote.storage.types import S3Options, StorageError


def png(edge: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (edge, edge), "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def policy(s3):
    """Return a policy for some roots in the real store."""
    options = S3Options(endpoint=s3.endpoint, timeout_s=20)
    return lambda *roots: MediaPolicy(tuple(map(str, roots)), 10**6, 10**6, options)


def reason_of(uri: str, allowed: MediaPolicy) -> str:
    with pytest.raises(MediaError) as caught:
        load_image(uri, allowed)
    return caught.value.reason


@pytest.mark.parametrize("root", ["s3://shop/notes", "s3://shop/notes/", "s3a://shop/notes", "s3://shop", "s3://shop/"])
@pytest.mark.parametrize("uri", ["s3://shop/notes/a/ü 1+%20.png", "s3a://shop/notes/./a/ü 1+%20.png"])
def test_an_object_below_a_root_is_found_however_it_is_written(s3, policy, root, uri):
    s3.put("s3://shop/notes/a/ü 1+%20.png", png())
    assert load_image(uri, policy(root)).size == (8, 8)


def test_a_relative_uri_is_looked_for_in_each_root_in_turn(s3, policy, tmp_path):
    s3.put("s3://shop/first/a.png", png(8))
    s3.put("s3://shop/second/b.png", png(16))
    (tmp_path / "c.png").write_bytes(png(24))
    allowed = policy("s3://shop/first", tmp_path, "s3://shop/second")
    assert [load_image(uri, allowed).width for uri in ("a.png", "./b.png", "c.png", f"{tmp_path}/c.png")] == [
        8,
        16,
        24,
        24,
    ]
    (tmp_path / "b.png").write_bytes(png(32))
    assert load_image("b.png", allowed).width == 32
    assert reason_of("d.png", allowed) == "media_missing"


@pytest.mark.parametrize("uri", ["./a.png", "s3://shop/notes/./a.png"])
def test_a_key_asked_for_has_no_dot_segments(s3, policy, uri):
    s3.put("s3://shop/notes/a.png", png())
    with proxy(s3.endpoint) as plan:
        allowed = policy("s3://shop/notes")
        assert fetch(uri, replace(allowed, s3=replace(allowed.s3, endpoint=plan.endpoint))) == png()
        assert plan.requests == ["GET /shop/notes/a.png"]


@pytest.mark.parametrize(
    "uri",
    [
        "s3://shop/notes-private/a.png",
        "s3://shop/notes",
        "s3://shop-2/notes/a.png",
        "s3://shop/notes/../secret.png",
        "s3://shop/secret.png",
        "../secret.png",
        "a/../../secret.png",
        "/secret.png",
        "file:///secret.png",
    ],
)
def test_nothing_outside_the_roots_is_asked_for(s3, policy, uri):
    with proxy(s3.endpoint) as plan:
        allowed = policy("s3://shop/notes")
        allowed = replace(allowed, s3=replace(allowed.s3, endpoint=plan.endpoint))
        assert reason_of(uri, allowed) == "media_outside_roots"
        assert file_version(uri, allowed) == "missing"
        assert plan.requests == []


def test_files_have_reasons_of_their_own(s3, policy):
    s3.put("s3://shop/notes/empty.png", b"")
    s3.put("s3://shop/notes/large.png", png())
    s3.put("s3://shop/notes/text.png", b"not an image")
    allowed = policy("s3://shop/notes")
    uris = ("empty.png", "text.png", "no.png", "x" * 2000, "a\0b", "\ud800")
    assert [reason_of(uri, allowed) for uri in uris] == ["media_empty", "media_undecodable", *["media_missing"] * 4]
    assert reason_of("large.png", replace(allowed, max_bytes=10)) == "media_too_large"


def test_the_version_changes_with_the_object_and_opens_nothing(s3, policy):
    allowed = policy("s3://shop/notes")
    found = set()
    for content in (b"one", b"two", b"three"):
        found.add(file_version(s3.put("s3://shop/notes/changing", content), allowed))
    assert len(found) == 3
    assert file_version("changing", allowed) in found
    assert file_version("no.png", allowed) == "missing"
    with proxy(s3.endpoint) as plan:
        file_version("changing", replace(allowed, s3=replace(allowed.s3, endpoint=plan.endpoint)))
        assert [request.split()[0] for request in plan.requests] == ["HEAD"]


def test_a_refused_object_and_a_slow_one_are_set_aside(s3, policy):
    s3.put("s3://shop/notes/a.png", png())
    with proxy(s3.endpoint) as plan:
        allowed = policy("s3://shop/notes")
        allowed = replace(allowed, s3=S3Options(plan.endpoint, timeout_s=0.3, attempts=1))
        plan.status, plan.failures = 403, 3
        assert reason_of("a.png", allowed) == "media_forbidden"
        assert file_version("a.png", allowed) == "missing"
        plan.delay_s = 1.0
        assert reason_of("a.png", allowed) == "media_timeout"


def test_an_object_refused_below_one_root_may_be_there_below_another(s3, policy):
    s3.put("s3://shop/second/only.png", png())
    with proxy(s3.endpoint) as plan:
        allowed = policy("s3://shop/first", "s3://shop/second")
        plan.status, plan.failures = 403, 1
        assert fetch("only.png", replace(allowed, s3=replace(allowed.s3, endpoint=plan.endpoint))) == png()


def test_a_store_that_cannot_be_used_is_not_the_images_fault(s3, policy):
    allowed = policy("s3://nowhere/notes")
    for look in (fetch, file_version, load_image):
        with pytest.raises(StorageError, match="there is no such bucket"):
            look("a.png", allowed)


def test_a_store_that_does_not_answer_costs_the_image_and_is_not_waited_for_by_every_one(policy):
    allowed = replace(policy("s3://shop/notes"), s3=S3Options("http://127.0.0.1:1", timeout_s=60, attempts=1))
    assert reason_of("a.png", allowed) == "media_unreachable"
    assert file_version("a.png", allowed) == UNREACHABLE
    with proxy("http://127.0.0.1:1") as plan:
        allowed = replace(allowed, s3=replace(allowed.s3, endpoint=plan.endpoint))
        plan.status, plan.failures = 503, 99
        assert {reason_of(f"{n}.png", allowed) for n in range(9)} == {"media_unreachable"}
        assert file_version("a.png", allowed) == UNREACHABLE
        assert len(plan.requests) == FAILED_IN_A_ROW


def test_a_store_is_asked_again_once_it_may_be_back(s3, policy):
    s3.put("s3://shop/notes/a.png", png())
    with proxy(s3.endpoint) as plan:
        allowed = replace(policy("s3://shop/notes"), s3=S3Options(plan.endpoint, timeout_s=0.2, attempts=1))
        plan.status, plan.failures = 503, FAILED_IN_A_ROW
        assert {reason_of("a.png", allowed) for _ in range(FAILED_IN_A_ROW + 1)} == {"media_unreachable"}
        time.sleep(0.2)
        assert load_image("a.png", allowed).size == (8, 8)


def test_a_relative_name_is_looked_up_in_the_named_folders_alone(policy, tmp_path):
    away = replace(policy("s3://shop/notes"), s3=S3Options("http://127.0.0.1:1", timeout_s=1, attempts=1))
    allowed = replace(away, roots=(str(tmp_path), *away.roots), relative_to=(str(tmp_path),))
    (tmp_path / "a.png").write_bytes(png())
    assert load_image("a.png", allowed).size == (8, 8)
    assert (reason_of("typo.png", allowed), file_version("typo.png", allowed)) == ("media_missing", "missing")
    assert reason_of("s3://shop/notes/typo.png", allowed) == "media_unreachable"
