"""Endpoints as users give them, and what belongs to each."""

from __future__ import annotations

import pytest

from crawler.errors import HubUnreachable
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.endpoint import Endpoint, parse_endpoint, parse_origin

BELOW = Endpoint("https://proxy.example/artifactory/api/huggingfaceml/repo")
BASE = f"{BELOW.url}/api/models/a/b"


@pytest.mark.parametrize(
    "endpoint", ["huggingface.co", "ftp://hub", "https://", "https://[::1", "https://ann:secret@hub.example:port", "?"]
)
def test_an_endpoint_is_a_url(endpoint: str) -> None:
    with pytest.raises(HubUnreachable) as caught:
        HubClient(endpoint, False)
    assert "secret" not in str(caught.value)


def test_a_password_is_separated_from_the_url() -> None:
    assert parse_endpoint("https://ann:p%40ss@hub.example:8443/below/") == Endpoint(
        "https://hub.example:8443/below",
        "Basic YW5uOnBAc3M=",  # ann:p@ss in base64
    )
    assert parse_endpoint("http://ann@[::1]") == Endpoint("http://[::1]", "Basic YW5uOg==")
    assert parse_endpoint(" https://hub.example/ ") == Endpoint("https://hub.example")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/api/models/c/d?x=1", f"{BELOW.url}/api/models/c/d?x=1"),  # as the Hub behind the proxy wrote it
        ("/c/d/resolve/main/a.gguf", f"{BELOW.url}/c/d/resolve/main/a.gguf"),
        (f"{BELOW.path}/api/models/c/d", f"{BELOW.url}/api/models/c/d"),
        (f"{BELOW.url}/api/models/c/d", f"{BELOW.url}/api/models/c/d"),
        ("d", f"{BELOW.url}/api/models/a/d"),
        ("/artifactory/download/7", "https://proxy.example/artifactory/download/7"),
        ("https://cdn.example/api/x", "https://cdn.example/api/x"),
        ("//cdn.example/api/x", "https://cdn.example/api/x"),
    ],
)
def test_redirects_stay_below_the_path_of_the_endpoint(location: str, url: str) -> None:
    assert BELOW.resolve(location, BASE) == url


def test_a_redirect_of_another_host_is_its_own() -> None:
    assert BELOW.resolve("/api/x", "https://cdn.example/y") == "https://cdn.example/api/x"


def test_a_mirror_answers_for_the_hub_that_it_copies() -> None:
    mirror = Endpoint("https://mirror.example")
    assert mirror.own_url("https://huggingface.co/api/models/a/b?x=1") == "https://mirror.example/api/models/a/b?x=1"
    assert mirror.own_url("https://huggingface.co/login") is None


def test_origins_are_compared_by_scheme_host_and_port() -> None:
    assert parse_origin("https://Hub.Example/x") == ("https", "hub.example", 443)
    assert parse_origin("http://hub.example:81") == ("http", "hub.example", 81)
