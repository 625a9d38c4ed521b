"""Texts of notes inside an HTML page: templates and data that no text can break out of, and what no page can hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_UNWRITABLE = re.compile("[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]")
# Nothing of what remains can end the element.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def page_templates(package: str) -> Environment:
    """Return the templates in the folder `page` of a package."""
    return Environment(
        loader=PackageLoader(package, "page"),
        # Titles and bodies are hostile input: nothing in them becomes HTML.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def clean(text: str) -> str:
    """Return text without what no page can hold: each such character becomes a replacement character.

    Lone surrogates cannot be written as UTF-8, HTML allows none of these controls, and what turns the direction of a text
    would turn the page's own as well.
    """
    return _UNWRITABLE.sub("\ufffd", text)


def json_for_page(value: object) -> Markup:
    """Return `value` as JSON for an element of type application/json, which no text in it can end."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return Markup(text)


def digest_of_script(script: str) -> str:
    """Return what a page's policy names a script by: no other script may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
