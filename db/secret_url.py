"""URLs that hold a secret: the password of a database, the key of a webhook."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

HIDDEN = "***"

SECRET_PARAMETERS = re.compile(r"\b(password|passwd|sslpassword|token|secret|key|sig|signature)=[^&#]*", re.IGNORECASE)
"""Parameters of a URL's query whose values are secrets."""


class SecretUrl(str):
    """A URL whose text is masked: all that prints, logs or stores it shows no secret. `reveal` gives the URL itself.

    A str, so that code which only names a catalog or a hook needs not know that it is one.
    """

    __slots__ = ("_url",)
    _url: str

    def __new__(cls, url: str, masked: str) -> Self:
        made = super().__new__(cls, masked)
        made._url = url
        return made

    def __reduce__(self) -> tuple[type[SecretUrl], tuple[str, str]]:
        return type(self), (self._url, str(self))


def reveal(text: str) -> str:
    """The URL with its secret; any other text as it is."""
    return text._url if isinstance(text, SecretUrl) else text


def database_url(url: str) -> SecretUrl:
    """A database's URL, shown without its password."""
    return SecretUrl(url, mask_database_url(url))


def webhook_url(url: str) -> SecretUrl:
    """A webhook's URL, shown as its scheme and host: its path is often all that protects it."""
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return SecretUrl(url, f"{scheme}://{host}/{HIDDEN}")


def mask_database_url(url: str) -> str:
    """The text of a database's URL without its password: what stands before the last @, and parameters of that name.

    In a URL without @, a port that is no number is taken for a password whose host was forgotten.
    """
    scheme, separator, rest = url.partition("://")
    before, at, after = rest.rpartition("@")
    if at:
        user, colon, _ = before.partition(":")
        rest = f"{user}{colon and ':' + HIDDEN}@{after}"
    else:
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        host, colon, port = authority.rpartition(":")
        if colon and not port.isdigit() and not port.endswith("]"):
            rest = f"{host}:{HIDDEN}{rest[len(authority) :]}"
    return scheme + separator + SECRET_PARAMETERS.sub(rf"\1={HIDDEN}", rest)


def split_credentials(url: str) -> tuple[str, str | None]:
    """A URL without its user and password, and the value of the Authorization header that sends them.

    None for a URL without them. The header: https://www.rfc-editor.org/rfc/rfc7617. Raises ValueError for what is not a
    URL.
    """
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return urlunsplit(parts._replace(netloc=host)), "Basic " + b64encode(secret.encode()).decode()
