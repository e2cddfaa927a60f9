"""Where a Hub is: its URL, which may be below a path or hold a password, and which URLs belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import inet_aton
from urllib.parse import urljoin, urlsplit, urlunsplit

from crawler.errors import HubUnreachable
from db.secret_url import split_credentials

Origin = tuple[str, str, int]
"""Scheme, host and port."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Hub's URL without its last slash and without a password, which is in `authorization`."""

    url: str
    authorization: str | None = None  # value of the header of this name

    @property
    def origin(self) -> Origin:
        return parse_origin(self.url)

    @property
    def path(self) -> str:
        """Below which all URLs of this Hub are; empty for most."""
        return urlsplit(self.url).path

    def resolve(self, location: str, base: str) -> str:
        """The URL that `location` names in a response from `base`. Raises ValueError if that is none.

        A proxy for several Hubs, each below a path, may pass on the paths of the Hub behind it as they are.
        """
        url = urljoin(base, location)
        is_absolute = bool(urlsplit(location).netloc)
        if not self.path or is_absolute or parse_origin(url) != self.origin:
            return url
        path = urlsplit(url).path
        is_of_hub = path.startswith("/api/") or "/resolve/" in path
        return self.url + location if is_of_hub and not path.startswith(f"{self.path}/") else url

    def own_url(self, url: str) -> str | None:
        """The URL of this Hub for one of another Hub's API, as mirrors pass it on; None for any other URL."""
        parts = urlsplit(url)
        is_api = parts.path.startswith("/api/")
        return self.url + urlunsplit(("", "", parts.path, parts.query, "")) if is_api else None


def parse_endpoint(text: str) -> Endpoint:
    """An endpoint as users give it. Raises HubUnreachable for what is not an http(s) URL."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is no number is an error
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        shown = url.rpartition("@")[2]
        raise HubUnreachable(shown, "an endpoint is a URL such as https://huggingface.co")
    return Endpoint(*split_credentials(url))


def parse_origin(url: str) -> Origin:
    """Scheme, host and port. Raises ValueError for what is not a URL."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


METADATA_HOSTS = frozenset({"100.100.100.200", "fd00:ec2::254", "metadata.google.internal", "metadata"})
"""Where clouds keep a machine's credentials, beside the link-local addresses (Alibaba, Amazon by IPv6, Google)."""


def is_forbidden_target(host: str) -> bool:
    """Whether no file of a Hub can be at a host: link-local and multicast addresses, metadata services of clouds.

    They answer requests from this machine, which the author of a redirect to them can't.
    """
    address = parse_address(host)
    if address is None:
        return host.rstrip(".") in METADATA_HOSTS
    return address.is_link_local or address.is_multicast or address.is_unspecified or str(address) in METADATA_HOSTS


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is, in any form that systems connect to (`0xa9fea9fe`, `169.254.43518`); None for a name.

    An IPv4 address within one of IPv6 is that IPv4 address.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return IPv4Address(inet_aton(host))
        except (OSError, ValueError):
            return None
    return getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
