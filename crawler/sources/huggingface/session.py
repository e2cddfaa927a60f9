"""The HTTP client that huggingface_hub shares in a process."""

from __future__ import annotations

import os

import httpx2
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # exported, not in mypy's strict sense

from crawler.errors import ProxyInvalid

PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


def shared_session() -> httpx2.Client:
    """The client, which is made when it is first asked for. Raises ProxyInvalid."""
    try:
        return get_session()
    except (ValueError, httpx2.InvalidURL, ImportError) as error:
        raise invalid_proxy(error) from None  # the client's own error has the URL, which may contain a password


def invalid_proxy(error: Exception) -> ProxyInvalid:
    """What it means that no client could be made."""
    names = [name for name in sorted(os.environ) if name.lower() in PROXY_VARIABLES]
    why = "a SOCKS proxy needs the package socksio" if isinstance(error, ImportError) else "it is no URL of a proxy"
    return ProxyInvalid(" or ".join(names) or "the system's proxy", why)
