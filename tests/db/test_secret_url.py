"""URLs with secrets: what is shown of them."""

from __future__ import annotations

import json
import pickle

import pytest

from db.secret_url import database_url, reveal, webhook_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@host/catalog", "postgresql://me:***@host/catalog"),
        ("postgresql://me@host/catalog", "postgresql://me@host/catalog"),
        ("postgresql:///catalog?host=/run&password=s3cret", "postgresql:///catalog?host=/run&password=***"),
        ("postgresql://me:p@s3cret/x?y#@host/catalog", "postgresql://me:***@host/catalog"),
        ("postgresql://me:s3cret%40@host:5432/c?sslpassword=s3cret&application_name=a", None),
        ("postgresql://me:s3cret@", "postgresql://me:***@"),
    ],
)
def test_a_databases_password_is_not_shown(url: str, shown: str | None) -> None:
    secret = database_url(url)
    assert reveal(secret) == url
    assert reveal(pickle.loads(pickle.dumps(secret))) == url  # noqa: S301  # our own
    for text in (str(secret), f"{secret}", repr(secret), json.dumps({"db": secret}), secret + "", f"{secret:>3}"):
        assert "s3cret" not in text
    if shown is not None:
        assert secret == shown


@pytest.mark.parametrize(
    "url", ["https://hooks.example/services/s3cret", "https://me:s3cret@example.org/x", "http://h?key=s3cret"]
)
def test_of_a_webhook_only_the_host_is_shown(url: str) -> None:
    secret = webhook_url(url)
    assert reveal(secret) == url
    assert "s3cret" not in secret
    assert "me" not in secret.replace("example", "")
    assert secret.endswith("/***")


def test_other_texts_reveal_themselves() -> None:
    assert reveal("catalog.db") == "catalog.db"
