"""Settings of the online store that services read."""

from __future__ import annotations

from typing import Self

from pydantic import field_validator, model_validator

from uninote.config.sections.base import Section

_PLACES = ("redis://", "rediss://", "unix://", "lmdb:///")


class ServingConfig(Section):
    """`store` is the URI of this lake's online store, which `uninote publish`, `hide` and `takedown` take if none is named.

    With `publish` a refresh pushes its release there once it is live, and `jobs/release.py` does. User and password are
    UNINOTE_STORE_USER and UNINOTE_STORE_PASSWORD in the environment, never part of the URI.
    """

    store: str | None = None
    publish: bool = False

    @field_validator("store")
    @classmethod
    def _is_store(cls, store: str | None) -> str | None:
        if store is not None and not store.startswith(_PLACES):
            raise ValueError(
                "should be redis://host:6379/0, rediss://…, unix:///socket or lmdb:///folder, a folder by its whole path"
            )
        return store

    @model_validator(mode="after")
    def _has_somewhere_to_publish(self) -> Self:
        if self.publish and self.store is None:
            raise ValueError("publish is true and store names no online store; name one, or leave publish out")
        return self
