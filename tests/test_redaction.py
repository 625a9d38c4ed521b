"""What is a secret, by its name or by its shape, and what is none."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from uninote.errors import UninoteError
from uninote.notes.ingest.note_rows import MESSAGE, FieldRules, RowBatch
from uninote.redaction import HIDDEN, has_credentials, is_secret, redact, redact_value

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # AWS's own example


@pytest.mark.parametrize(
    "name",
    [
        "spark.hadoop.fs.s3a.secret.key",
        "fs.s3a.access.key",
        "fs.s3a.session.token",
        "fs.s3a.encryption.key",
        "fs.s3n.awsSecretAccessKey",
        "fs.azure.account.key.account.dfs.core.windows.net",
        "fs.azure.sas.container.account",
        "spark.ssl.keyStorePassword",
        "spark.authenticate.secret",
        "AWS_SECRET_ACCESS_KEY",
        "X-Amz-Signature",
        "apikey",
        "password",
    ],
)
def test_names_of_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "item_key",
        "embed.batch_tokens",
        "model.tokenizer",
        "spark.sql.mapKeyDedupPolicy",
        "partition.key",
        "neighbours.k",
    ],
)
def test_names_that_only_look_like_those_of_secrets(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://user:pa:ss@host:9000/x", "at https://[hidden]@host:9000/x"),
        ("s3a://KEY:SEC/RET@bucket/x", "s3a://[hidden]@bucket/x"),
        ("https://token@host/x", "https://[hidden]@host/x"),
        (f"{KEY_ID} and {SECRET}.", "[hidden] and [hidden]."),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("sent bearer abcdefgh1234567 there", "sent bearer [hidden] there"),
        (
            "x?X-Amz-Credential=AKIA%2F2&X-Amz-Signature=ab1&n=1",
            "x?X-Amz-Credential=[hidden]&X-Amz-Signature=[hidden]&n=1",
        ),
        ("fs.s3a.secret.key=hunter2 was", "fs.s3a.secret.key=[hidden] was"),
        ("{'fs.s3a.access.key': 'abc', 'item_key': 'x'}", "{'fs.s3a.access.key': [hidden], 'item_key': 'x'}"),
        ('password="a b c" here', "password=[hidden] here"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[hidden]"),
    ],
)
def test_secrets_are_hidden_and_the_rest_of_the_text_stays(text, shown):
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "abfss://container@account.dfs.core.windows.net/notes",
        "http://localhost:8080/path@x",
        "s3://bucket/a:b@c/x.png",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "/data/Lake2/abcdefgh/abcdefgh/abcdefgh/abcdefg1",
        "item_key=5, embed.batch_tokens=4096",
        "found unexpected token: foo; duplicate key: 17",
        "spark.ssl.keyPassword: input should be a valid string",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text
    assert not has_credentials(text)


@pytest.mark.parametrize("url", ["https://user:password@host", "https://h/x?X-Amz-Signature=1", "s3://a:b@bucket"])
def test_urls_with_credentials_are_told(url):
    assert has_credentials(url)


def test_values_are_hidden_by_the_names_above_them():
    value = {"fs.s3a.secret.key": "x", "spark.sql.shuffle.partitions": "4", "list": [f"id {KEY_ID}"], "token": None}
    assert redact_value("spark", value) == {
        "fs.s3a.secret.key": HIDDEN,
        "spark.sql.shuffle.partitions": "4",
        "list": [f"id {HIDDEN}"],
        "token": None,
    }


def test_errors_of_ours_print_no_secret_in_any_process():
    error = pickle.loads(pickle.dumps(UninoteError(f"the store refuses {SECRET}")))
    assert str(error) == f"the store refuses {HIDDEN}"


def test_a_row_set_aside_is_quoted_without_its_secrets():
    batch = RowBatch(FieldRules({}, "string", lambda _: False), pa.schema([(MESSAGE, pa.string())]), 0)
    batch.add_fault("row_unreadable", f"line 3: {{'uri': 'https://h/x.png?X-Amz-Signature=abc', 'id': '{KEY_ID}'")
    assert batch.to_arrow()[MESSAGE].to_pylist() == [
        "line 3: {'uri': 'https://h/x.png?X-Amz-Signature=[hidden]', 'id': '[hidden]'"
    ]


@pytest.mark.parametrize("text", ["a" * 200_000, "a.b-" * 10_000, "://" * 10_000, "key=" * 10_000, "?a=b&" * 10_000])
def test_hostile_texts_do_not_hold_up(text):
    assert redact(text)
