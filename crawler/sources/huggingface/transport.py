"""HTTP to the Hub: every request goes through here, paced, retried, bounded in size and time, its errors translated.

huggingface_hub provides the session, the headers (token, user agent) and the parser of rate-limit headers. Its own
iterators are not used: one malformed row ends them, and they wait for ever on a silent socket. The token is sent to the
endpoint's host only: redirects are followed here, and to another host without it.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before the import, which sends a request to the Hub otherwise

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # exported, but not in mypy's strict sense
    build_hf_headers,
    get_session,
    parse_ratelimit_headers,
)

from crawler.errors import (
    HubServerError,
    HubUnreachable,
    InvalidResponse,
    Offline,
    QuotaSpent,
    RepoError,
    RequestRefused,
    TokenRefused,
)
from crawler.sources.huggingface.response import IncompleteResponse, Response, parse_json, parse_retry_after
from crawler.sources.huggingface.usage import RequestCounters, RequestKind
from crawler.sources.pacer import Pacer, RateLimit

T = TypeVar("T")
Params = Sequence[tuple[str, str]]
Origin = tuple[str, str, int]

MAX_JSON_BYTES = 96 << 20
"""Of one JSON response: 1,000 rows with long cards are 10 MB, all shard headers of the largest model 40 MB."""

MAX_429_IN_A_ROW = 8
"""Responses with status 429 in a row after which the quota counts as spent."""

MAX_REDIRECTS = 5

MAX_RETRY_DELAY_SECONDS = 30.0

CONNECT_TIMEOUT_SECONDS = 10.0

RESPONSE_TIME_FACTOR = 8
"""A whole response may take this many times the timeout, which limits the time without any byte."""

TRIES_BEFORE_FIRST_RESPONSE = 3
"""Attempts to connect at most, while the Hub has not answered yet: the endpoint is probably wrong."""

TRIES_TO_RECONNECT = 8
"""Attempts to connect at least, once the Hub has answered: it will probably come back."""


class Transport:
    """Requests to one endpoint, for any number of threads. The arguments are those of HubClient."""

    def __init__(
        self,
        endpoint: str,
        token: str | Literal[False] | None,
        pacer: Pacer,
        *,
        timeout: float,
        tries: int,
        backoff: float,
        offline: bool | None,
    ) -> None:
        self.endpoint = parse_endpoint(endpoint)
        self.pacer = pacer
        self.counters = RequestCounters()
        self.timeout, self.tries, self.backoff = timeout, tries, backoff
        self.offline = constants.is_offline_mode() if offline is None else offline
        self.origin = parse_origin(self.endpoint)
        self._token = token
        self._ignore_offline_mode = offline is False
        self._has_answered = False
        self._buckets: dict[RequestKind, str] = {"resolve": "resolvers"}  # quota that a kind of request counts against

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers of every request to the endpoint. Raises TokenRefused for a token that no header can hold."""
        headers = build_hf_headers(token=self._token, library_name="hf-catalog", library_version=package_version())
        token = headers.get("authorization", "")
        if not (token.isascii() and token.isprintable()):
            raise TokenRefused(self.endpoint)  # here, since the HTTP client's own error would contain the token
        return headers

    @property
    def has_token(self) -> bool:
        return "authorization" in self.headers

    def _session(self) -> httpx2.Client:
        # huggingface_hub's session refuses every request where HF_HUB_OFFLINE is set.
        return self._own_session if self._ignore_offline_mode else get_session()

    @cached_property
    def _own_session(self) -> httpx2.Client:
        return httpx2.Client(follow_redirects=False)

    # ---- retries ------------------------------------------------------------------------------------------------

    def with_retries(self, what: str, attempt: Callable[[], T], tries: int | None = None) -> T:
        """The result of the first attempt that raises no IncompleteResponse.

        Raises HubUnreachable, HubServerError or InvalidResponse after `tries` attempts that got some response. A Hub
        that can't be connected to is tried less often before its first response, and more often after it.
        """
        tries, failures = tries or self.tries, 0
        while True:
            try:
                return attempt()
            except IncompleteResponse as error:
                failures += 1
                if failures >= (tries if error.connected else self._tries_to_connect(tries)):
                    raise self._final_error(what, error) from error
                self.pacer.pause(self.retry_delay(failures))

    def _tries_to_connect(self, tries: int) -> int:
        return max(tries, TRIES_TO_RECONNECT) if self._has_answered else min(tries, TRIES_BEFORE_FIRST_RESPONSE)

    def with_repo_retries(self, what: str, attempt: Callable[[], T]) -> T:
        """As `with_retries`, for a request about one repo: repeated server errors are that repo's (RepoError).

        A Hub that can't be connected to remains an error of the run.
        """
        try:
            return self.with_retries(what, attempt)
        except (HubServerError, InvalidResponse) as error:
            raise RepoError("failed", error.why) from error

    def retry_delay(self, failures: int) -> float:
        """Seconds to wait after this many failures: doubled each time, and varied so that workers don't coincide."""
        return min(MAX_RETRY_DELAY_SECONDS, self.backoff * 2.0 ** (failures - 1)) * random.uniform(0.75, 1.25)

    def _final_error(self, what: str, error: IncompleteResponse) -> HubUnreachable:
        if not error.connected:
            return HubUnreachable(self.endpoint, str(error))
        if error.status is not None:
            return HubServerError(self.endpoint, what, error.status)
        return InvalidResponse(self.endpoint, what, str(error))

    # ---- one attempt --------------------------------------------------------------------------------------------

    def get_json(
        self, kind: RequestKind, path: str, params: Params, repo_id: str | None = None
    ) -> tuple[Any, Response]:
        """The JSON value of a response, by one attempt.

        Raises IncompleteResponse for what another attempt may fix, else the error that the response means.
        """
        response = self.get(kind, self.endpoint + path, params, {})
        if response.status != 200:
            raise self.error_from_response(response, repo_id)
        value = parse_json(response)
        if isinstance(value, dict) and "error" in value and "_id" not in value:
            raise IncompleteResponse(f"status 200 with an error in the body: {response.message}")
        return value, response

    def get(
        self, kind: RequestKind, url: str, params: Params, headers: Mapping[str, str], max_bytes: int | None = None
    ) -> Response:
        """One request and the redirects that follow from it. API requests never leave the endpoint's host.

        `max_bytes`: the body is cut after this number of bytes; otherwise a body over MAX_JSON_BYTES is an error.
        """
        for _ in range(MAX_REDIRECTS):
            is_own_host = parse_origin(url) == self.origin
            if not is_own_host and kind != "resolve":
                raise IncompleteResponse(f"redirected to another host, {urlsplit(url).hostname}")
            response = self._send(kind if is_own_host else "cdn", url, params, headers, max_bytes)
            location = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                if response.status >= 500 or response.status == 408:
                    raise IncompleteResponse(f"status {response.status}", status=response.status)
                return response
            url, params = urljoin(response.url, location), []
            if not url.startswith(("https://", "http://" if self.origin[0] == "http" else "https://")):
                raise IncompleteResponse(f"redirected to a URL of scheme {urlsplit(url).scheme}")
        raise IncompleteResponse(f"more than {MAX_REDIRECTS} redirects")

    def _send(
        self, kind: RequestKind, url: str, params: Params, headers: Mapping[str, str], max_bytes: int | None
    ) -> Response:
        """One request, repeated after each 429. Requests of kind `cdn` go without the token and count for no quota."""
        if self.offline:
            raise Offline
        sent = {**self.headers, **headers}
        if kind == "cdn":
            sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
        while True:
            bucket = self._buckets.get(kind, "api")
            if kind == "cdn":
                self.pacer.raise_if_stopped()
            else:
                self.pacer.acquire(bucket)
            self.counters.count_request(kind)
            response: Response | None = None
            try:
                response = self.exchange(url, params, sent, max_bytes)
            finally:
                if kind != "cdn":
                    self._report_to_pacer(kind, bucket, response)
            self._has_answered = True
            if response.status != 429:
                return response
            if kind == "cdn":
                raise IncompleteResponse("status 429", status=429)
            if self.pacer.refusals(bucket) > MAX_429_IN_A_ROW:
                raise QuotaSpent(bucket, self.pacer.closed_for(bucket))

    def _report_to_pacer(self, kind: RequestKind, bucket: str, response: Response | None) -> None:
        if response is None:
            self.pacer.on_response(bucket, None)
            return
        limit = parse_rate_limit(response.headers)
        self.pacer.on_response(bucket, response.status, limit, parse_retry_after(response.headers))
        if limit is not None and response.status < 400:
            self._buckets[kind] = limit.bucket

    def exchange(self, url: str, params: Params, headers: Mapping[str, str], max_bytes: int | None) -> Response:
        """One HTTP exchange. Raises IncompleteResponse, and Offline."""
        session, deadline = self._session(), time.monotonic() + RESPONSE_TIME_FACTOR * self.timeout
        timeout = httpx2.Timeout(self.timeout, connect=min(self.timeout, CONNECT_TIMEOUT_SECONDS), pool=None)
        received = 0
        try:
            request = session.build_request("GET", url + encode_query(tuple(params)), headers=headers, timeout=timeout)
            response = session.send(request, stream=True, follow_redirects=False)
            try:
                body = read_body(response, deadline, max_bytes)
            finally:
                received = response.num_bytes_downloaded
                response.close()
        except OfflineModeIsEnabled:
            raise Offline from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            raise IncompleteResponse(describe_error(error), connected=False) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise IncompleteResponse(describe_error(error)) from error
        finally:
            self.counters.count_bytes(received)
        token = headers.get("authorization", "").rpartition(" ")[2]
        return Response(response.status_code, response.headers, body, str(response.url), token)

    # ---- what responses mean ------------------------------------------------------------------------------------

    def error_from_response(self, response: Response, repo_id: str | None) -> Exception:
        """What a 4xx means: for the run if `repo_id` is None, else for that repo."""
        status, code, message = response.status, response.code, response.message
        what = urlsplit(response.url).path
        if status == 401 and "credentials" in message.lower() and self.has_token:
            return TokenRefused(self.endpoint)
        if status == 400:
            return RequestRefused(what, message or "no reason given")
        if repo_id is None:
            if status in (401, 403) and self.has_token:
                return TokenRefused(self.endpoint)
            return InvalidResponse(self.endpoint, what, f"status {status}{f': {message}' if message else ''}")
        if code == "GatedRepo" or "gated" in message.lower():
            return RepoError("gated", message or "its files need a token that was granted access")
        if status == 403 and "disabled" in message.lower():
            return RepoError("disabled", message)
        if code in ("EntryNotFound", "RevisionNotFound"):
            return RepoError("unreadable", message or code)
        # A 404 without the Hub's own code or message comes from something between us and the Hub.
        if status in (401, 404, 410) and (code or message or not repo_id):
            return RepoError("gone", message or "the Hub does not show it")
        return RepoError("private" if status == 403 else "failed", message or f"status {status}")


def read_body(response: httpx2.Response, deadline: float, max_bytes: int | None) -> bytes:
    """The body, read until it ends, `max_bytes` are there, or a limit is reached (IncompleteResponse)."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if max_bytes is not None and size >= max_bytes:
            break
        if size > MAX_JSON_BYTES:
            raise IncompleteResponse(f"a response of more than {MAX_JSON_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise IncompleteResponse("the response comes too slowly")
    return b"".join(parts)


def parse_endpoint(endpoint: str) -> str:
    """A URL without its last slash. Raises HubUnreachable for what is not an http(s) URL, or holds credentials."""
    parts = urlsplit(endpoint.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise HubUnreachable(endpoint.rpartition("@")[2], "an endpoint is a URL such as https://huggingface.co")
    return endpoint.strip().rstrip("/")


def parse_origin(url: str) -> Origin:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


@lru_cache(maxsize=256)
def encode_query(params: tuple[tuple[str, str], ...]) -> str:
    """The query of a URL. Cached: requests for single repos all have the same."""
    return f"?{urlencode(params)}" if params else ""


def package_version() -> str:
    try:
        return version("hf-catalog")
    except PackageNotFoundError:
        return "0"


def describe_error(error: Exception) -> str:
    """An error of the HTTP client in a few words, without URLs, which may hold a signature."""
    words = {
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no response in time",
        "WriteTimeout": "no response in time",
        "ReadError": "the connection broke",
        "RemoteProtocolError": "the connection broke in the middle of a response",
        "DecodingError": "a response that can't be decompressed",
    }
    return words.get(type(error).__name__) or " ".join(str(error).split())[:200] or type(error).__name__


def parse_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """The quota that the `RateLimit` and `RateLimit-Policy` headers state."""
    if "ratelimit" not in headers:
        return None
    limit = parse_ratelimit_headers(headers)
    if limit is None:
        return None
    return RateLimit(limit.resource_type, limit.remaining, limit.reset_in_seconds, limit.limit, limit.window_seconds)
