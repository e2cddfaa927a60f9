"""The HTTP client that huggingface_hub shares in a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # exported, not in mypy's strict sense

from crawler.errors import ProxyInvalid

PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


def shared_session() -> httpx2.Client:
    """The client, which is made when it is first asked for. Raises ProxyInvalid."""
    with proxy_errors():
        return get_session()


@contextmanager
def proxy_errors() -> Iterator[None]:
    """Turns the errors of making a client into ProxyInvalid: theirs has the URL, which may contain a password."""
    try:
        yield
    except (ValueError, httpx2.InvalidURL, ImportError) as error:
        raise invalid_proxy(error) from None


def invalid_proxy(error: Exception) -> ProxyInvalid:
    """What it means that no client could be made."""
    names = [name for name in sorted(os.environ) if name.lower() in PROXY_VARIABLES]
    why = "a SOCKS proxy needs the package socksio" if isinstance(error, ImportError) else "it is no URL of a proxy"
    return ProxyInvalid(" or ".join(names) or "the system's proxy", why)
