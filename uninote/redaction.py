"""Secrets out of texts that are stored or shown: by the name a value stands under, and by the value's own shape.

The only module that decides what a secret is. Errors of ours pass through it when they are printed, progress lines before
they are written, and overrides before the ledger keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"

# Words of a name that make its value secret, whatever stands around them (fs.s3a.secret.key, ssl.keyStorePassword).
_SECRET_WORDS = {"password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "credential", "credentials"}
_SECRET_WORDS |= {"authorization", "signature", "sig", "sas", "jwt", "cookie", "bearer", "apikey", "accesskey"}
_SECRET_PARTS = ("secret", "passw", "credential", "accesskey", "apikey", "privatekey", "accountkey", "authtoken")
# A key is a secret unless it is one of tables or of maps: item_key, partition.key, public-key.
_PLAIN_KEYS = {
    "item",
    "note",
    "query",
    "primary",
    "foreign",
    "sort",
    "partition",
    "public",
    "row",
    "join",
    "group",
    "map",
}
_PLAIN_KEYS |= {"column", "dedup", "section"}
_KEYS = {"key", "keys"}

_NAME_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")

_USER_INFO = re.compile(
    r"(?i)(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*://)([^\s/@:'\"<>]*:(?!\d{1,5}[/?#])[^\s@'\"<>]*|[^\s/@:'\"<>]+)@"
)
# A container of Azure's stores stands where other URLs have the user: abfss://container@account/path.
_CONTAINERS = re.compile(r"(?i)^(?:abfss?|wasbs?|hdfs|viewfs)://$")
_QUERY_VALUE = re.compile(r"([?&;]([\w.%-]+)=)([^&\s\"'<>#;]+)")
_ASSIGNED = re.compile(
    r"""(?<![\w.\-])(?P<name>[A-Za-z_][\w.\-]*)(?P<between>["']?\s*(?:=>?|:)\s*)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;&{}()\[\]"']+)"""
)
_SCHEMES = re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|digest|negotiate)\s+)[^\s\"',]+")
_SHAPES = (
    # Ids of AWS keys.
    re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    # Secrets of AWS: 40 of base64 that have a digit, a small and a capital letter, which hashes and paths have not.
    re.compile(
        r"(?<![\w./+=-])(?=[A-Za-z/+]*\d)(?=[A-Z\d/+]*[a-z])(?=[a-z\d/+]*[A-Z])(?!/)(?![^/]*/[^/]*/[^/]*/[^/]*/)"
        r"[A-Za-z0-9/+]{40}(?![\w/+=-]|\.\w)"
    ),
    re.compile(r"(?i)(?<=\bbearer )(?=\S*\d)[\w.~+/-]{12,}=*"),
    # JSON web tokens.
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    re.compile(r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|hf_\w{20,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{35})"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
)


def is_secret(name: str) -> bool:
    """Say whether what stands under `name`, the name of a setting, a field or a parameter, is to be hidden."""
    words = [word.lower() for word in _NAME_WORDS.findall(name)]
    if _SECRET_WORDS & set(words):
        return True
    if any(part in re.sub(r"[^a-z]", "", name.lower()) for part in _SECRET_PARTS):
        return True
    return any(word in _KEYS and (not at or words[at - 1] not in _PLAIN_KEYS) for at, word in enumerate(words))


def has_credentials(text: str) -> bool:
    """Say whether a place or another value is a URL with a user, a password or a signature in it."""
    return "://" in text and (_without_user(text) != text or _without_parameters(text) != text)


def redact(text: str) -> str:
    """Return `text` with every secret in it replaced by HIDDEN; what is no secret stays as it is."""
    text = _SCHEMES.sub(rf"\1{HIDDEN}", _without_parameters(_without_user(text)))
    for shape in _SHAPES:
        text = shape.sub(HIDDEN, text)
    return _ASSIGNED.sub(_hide_assigned, text)


def redact_value(name: str, value: Any) -> Any:
    """Return a configured value as it may be stored or shown; of mappings and lists, each part by its own name."""
    if isinstance(value, Mapping):
        return {key: redact_value(f"{name}.{key}", one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(name, one) for one in value]
    if value is None or isinstance(value, bool):
        return value
    if is_secret(name):
        return HIDDEN
    return redact(value) if isinstance(value, str) else value


def _without_user(text: str) -> str:
    return _USER_INFO.sub(_hide_user, text)


def _hide_user(found: re.Match[str]) -> str:
    scheme = found[1]
    user = found[2]
    if ":" not in user and _CONTAINERS.match(scheme):
        return found[0]
    return f"{scheme}{HIDDEN}@"


def _without_parameters(text: str) -> str:
    return _QUERY_VALUE.sub(lambda found: f"{found[1]}{HIDDEN}" if is_secret(found[2]) else found[0], text)


def _hide_assigned(found: re.Match[str]) -> str:
    value = found["value"]
    if not is_secret(found["name"]) or HIDDEN in value or value in ("null", "None"):
        return found[0]
    # "token: unexpected" and "duplicate key: 17" are sentences; after a colon, quotes, digits or length tell a value.
    if ":" in found["between"] and (found["name"] in _KEYS or re.fullmatch(r"[A-Za-z-]{1,15}[.!?]?", value)):
        return found[0]
    return f"{found['name']}{found['between']}{HIDDEN}"
