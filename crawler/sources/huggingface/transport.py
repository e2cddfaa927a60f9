"""HTTP to the Hub: every request goes through here, paced, retried, bounded in size and time, its errors translated.

huggingface_hub provides the session, the headers (token, user agent) and the parser of rate-limit headers. Its own
iterators are not used: one malformed row ends them, and they wait for ever on a silent socket. The token is sent to the
endpoint's host only: redirects are followed here, and to another host without it.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before the import, which sends a request to the Hub otherwise

if (
    "REQUESTS_CA_BUNDLE" in os.environ
):  # which many set for private certificates; the HTTP client knows the others alone
    is_folder = Path(os.environ["REQUESTS_CA_BUNDLE"]).is_dir()
    os.environ.setdefault("SSL_CERT_DIR" if is_folder else "SSL_CERT_FILE", os.environ["REQUESTS_CA_BUNDLE"])

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # exported, but not in mypy's strict sense
    build_hf_headers,
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
    TokenNeeded,
    TokenRefused,
    TokenUnencrypted,
)
from crawler.sources.huggingface.deadline import Deadline, deadline, enforce_deadlines
from crawler.sources.huggingface.endpoint import (
    is_forbidden_target,
    is_loopback,
    parse_endpoint,
    parse_origin,
)
from crawler.sources.huggingface.outage import FIRST_PAUSE_SECONDS, PATIENCE_SECONDS, OutageWatch
from crawler.sources.huggingface.response import (
    IncompleteResponse,
    Response,
    one_line,
    parse_json,
    parse_retry_after,
)
from crawler.sources.huggingface.session import proxy_errors, shared_session
from crawler.sources.huggingface.usage import RequestCounters, RequestKind
from crawler.sources.pacer import Pacer
from crawler.sources.rate_limit import RateLimit

T = TypeVar("T")
Params = Sequence[tuple[str, str]]
HealthCheck = Callable[[], None]
"""Sends requests that any Hub answers. Raises CrawlError where this one does not."""

MAX_JSON_BYTES = 96 << 20
"""Of one JSON response: 1,000 rows with long cards are 10 MB, all shard headers of the largest model 40 MB."""

MAX_REDIRECTS = 5

REFUSAL_STATUSES = frozenset((400, 414, 422, 431))
"""Of requests that a Hub does not accept as they are: it may accept others."""

MAX_RETRY_DELAY_SECONDS = 30.0

CONNECT_TIMEOUT_SECONDS = 10.0

HEAD_TIME_FACTOR = 2
"""The head of a response may take this many times the timeout, which limits the time without any byte."""

RESPONSE_TIME_FACTOR = 8
"""The same for a whole response."""

MIN_BYTES_PER_SECOND = 1024
"""A body that comes more slowly than this is abandoned once the timeout is over."""

MAX_OUTAGES_PER_REQUEST = 3
"""Outages of the Hub during one request, after which the request counts as their cause."""

TRIES_TO_CONNECT = 3
"""Attempts to connect in a row."""


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
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._endpoint = parse_endpoint(endpoint)
        self.endpoint = self._endpoint.url
        self.pacer = pacer
        self.counters = RequestCounters()
        self.timeout, self.tries, self.backoff = timeout, tries, backoff
        self.offline = constants.is_offline_mode() if offline is None else offline
        self.origin = self._endpoint.origin
        self._token = token
        self._ignore_offline_mode = offline is False
        self.outages = OutageWatch(self.endpoint, pacer, patience, first_pause=min(FIRST_PAUSE_SECONDS, 2 * backoff))
        self.has_answered = False
        self._buckets: dict[RequestKind, str] = {"resolve": "resolvers"}  # quota that a kind of request counts against

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers of every request to the endpoint.

        Raises TokenRefused for a token that no header can hold, and TokenUnencrypted for one that would be sent over
        http to another machine.
        """
        headers = build_hf_headers(token=self._token, library_name="hf-catalog", library_version=package_version())
        if self._endpoint.authorization is not None:  # what stands before the Hub needs it; there is one such header
            headers["authorization"] = self._endpoint.authorization
        token = headers.get("authorization", "")
        if not (token.isascii() and token.isprintable()):
            raise TokenRefused(self.endpoint)  # here, since the HTTP client's own error would contain the token
        if token and not (self.has_password or self.origin[0] == "https" or self.is_local):
            raise TokenUnencrypted(self.endpoint)
        return headers

    @property
    def has_token(self) -> bool:
        return "authorization" in self.headers

    @property
    def account(self) -> str:
        """A digest of the endpoint and the token, which can't be found from it; without a token, of this machine.

        The Hub counts the requests of a token, and those without one by their address.
        """
        who = self.headers.get("authorization") or f"machine {socket.gethostname()}"
        return blake2b(f"{self.endpoint}\n{who}".encode(), digest_size=16, person=b"hf-catalog quota").hexdigest()

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return is_loopback(self.origin[1])

    @property
    def has_password(self) -> bool:
        return self._endpoint.authorization is not None

    def _session(self) -> httpx2.Client:
        """The HTTP client. Raises ProxyInvalid."""
        # huggingface_hub's session refuses every request where HF_HUB_OFFLINE is set.
        session = self._own_session if self._ignore_offline_mode else shared_session()
        enforce_deadlines(session)
        return session

    @cached_property
    def _own_session(self) -> httpx2.Client:
        context = tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        with proxy_errors():
            return httpx2.Client(follow_redirects=False, verify=context)

    # ---- retries ------------------------------------------------------------------------------------------------

    def with_retries(
        self, what: str, attempt: Callable[[], T], check_health: HealthCheck | None, tries: int | None = None
    ) -> T:
        """The result of the first attempt that raises no IncompleteResponse.

        Raises HubUnreachable, HubServerError or InvalidResponse after `tries` attempts that got some response. If the
        Hub then fails `check_health` too, it is waited for, and the attempts start again. A Hub that never responded
        is not waited for: its address is probably wrong.
        """
        tries, failures, outages, is_last_try = tries or self.tries, 0, 0, False
        while True:
            try:
                return attempt()
            except IncompleteResponse as error:
                failures += 1
                if failures >= (tries if error.connected else min(tries, TRIES_TO_CONNECT)):
                    final = self._final_error(what, error)
                    if check_health is None or not self.has_answered or outages >= MAX_OUTAGES_PER_REQUEST:
                        raise final from error
                    was_down = self.outages.wait_until_healthy(check_health)
                    if not was_down and error.connected:
                        if is_last_try:
                            raise final from error
                        is_last_try, failures = True, tries - 1  # the Hub may have been down until now
                        continue
                    failures, outages = 0, outages + 1
                else:
                    self.pacer.pause(self.retry_delay(failures))

    def with_repo_retries(
        self, what: str, attempt: Callable[[], T], check_health: HealthCheck | None, tries: int | None = None
    ) -> T:
        """As `with_retries`, for a request about one repo: repeated server errors are that repo's (RepoError).

        A Hub that can't be connected to remains an error of the run.
        """
        try:
            return self.with_retries(what, attempt, check_health, tries)
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
        self.outages.was_healthy = True
        return value, response

    def get(
        self, kind: RequestKind, url: str, params: Params, headers: Mapping[str, str], max_bytes: int | None = None
    ) -> Response:
        """One request and the redirects that follow from it. API requests never leave the endpoint's host: where a
        mirror redirects to the Hub that it copies, the same path is requested of the mirror.

        `max_bytes`: the body is cut after this number of bytes; otherwise a body over MAX_JSON_BYTES is an error.
        """
        paths: set[str] = set()  # requested of the endpoint's host
        for _ in range(MAX_REDIRECTS):
            is_own_host = parse_origin(url) == self.origin
            if not is_own_host and kind != "resolve":
                own = self._endpoint.own_url(url)
                if own is None or urlsplit(own).path in paths:
                    raise IncompleteResponse(f"redirected to another host, {urlsplit(url).hostname}")
                url, is_own_host = own, True
            paths.add(urlsplit(url).path)
            response = self._send(kind if is_own_host else "cdn", url, params, headers, max_bytes)
            location = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                if response.status >= 500 or response.status == 408:
                    raise IncompleteResponse(f"status {response.status}", status=response.status)
                return response
            url, params = self._redirect_target(response, location), []
        raise IncompleteResponse(f"more than {MAX_REDIRECTS} redirects")

    def _redirect_target(self, response: Response, location: str) -> str:
        """Where a response redirects to.

        Raises IncompleteResponse for what is no URL, one that is not encrypted, or a host that can't be a Hub's.
        """
        try:
            url = self._endpoint.resolve(location, response.url)
            parts = urlsplit(url)
            parse_origin(url)
        except ValueError as error:
            raise IncompleteResponse("redirected to what is not a URL") from error
        if parts.scheme not in ("https", self.origin[0]):
            raise IncompleteResponse(f"redirected to a URL of scheme {one_line(parts.scheme)[:20]}")
        host = (parts.hostname or "").lower()
        if is_forbidden_target(host) and host != self.origin[1]:
            raise IncompleteResponse(f"redirected to {one_line(host)[:80]}, where no Hub has files")
        if (parts.scheme, self.origin[0], parts.hostname) == ("https", "http", self.origin[1]):
            why = f"it is at https://{parts.netloc}: name that as the endpoint"
            raise InvalidResponse(
                self.endpoint, urlsplit(response.url).path, why
            )  # another attempt would show the token
        return url

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
            self.has_answered = True
            if response.status != 429:
                return response
            if kind == "cdn":
                raise IncompleteResponse("status 429", status=429)
            if self.pacer.is_refused_for_long(bucket):
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
        session, started = self._session(), time.monotonic()
        timeout = httpx2.Timeout(self.timeout, connect=min(self.timeout, CONNECT_TIMEOUT_SECONDS), pool=None)
        received = 0
        try:
            request = session.build_request("GET", url + encode_query(tuple(params)), headers=headers, timeout=timeout)
            with deadline(self._deadline(started, HEAD_TIME_FACTOR)):
                response = session.send(request, stream=True, follow_redirects=False)
            try:
                with deadline(self._deadline(started, RESPONSE_TIME_FACTOR)):
                    body = read_body(response, self.timeout, max_bytes)
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

    def _deadline(self, started: float, factor: int) -> Deadline:
        """When a part of an exchange must have ended: some time after its start, or after the crawl's end."""
        latest = started + factor * self.timeout
        return lambda: min(latest, self.pacer.response_deadline)

    # ---- what responses mean ------------------------------------------------------------------------------------

    def error_from_response(self, response: Response, repo_id: str | None) -> Exception:
        """What a 4xx means: for the run if `repo_id` is None, else for that repo.

        A status that something between us and the Hub may have sent is an IncompleteResponse.
        """
        status, message = response.status, response.message
        what = urlsplit(response.url).path
        if status == 401 and response.headers.get("www-authenticate", "").lower().startswith("basic"):
            why = "refuses the user and password" if self.has_password else "asks for a user and password"
            return IncompleteResponse(f"what stands before the Hub {why}: https://USER:PASSWORD@HOST as endpoint")
        if status == 401 and "credentials" in message.lower() and self.has_token:
            return TokenRefused(self.endpoint)
        if status in REFUSAL_STATUSES:
            return RequestRefused(what, message or f"status {status}")
        if repo_id is not None:
            return self._repo_error(response)
        if status == 401 and not self.has_token:
            return TokenNeeded(self.endpoint, what)
        if status in (401, 403) and self.has_token and (response.is_from_hub or status == 401):
            return TokenRefused(self.endpoint)
        return IncompleteResponse(response.description)

    def _repo_error(self, response: Response) -> Exception:
        status, code, message = response.status, response.code, response.message
        if code == "GatedRepo" or "gated" in message.lower():
            return RepoError("gated", message or "its files need a token that was granted access")
        if status in (403, 451) and "disabled" in message.lower():
            return RepoError("disabled", message)
        if code in ("EntryNotFound", "RevisionNotFound"):
            return RepoError("unreadable", message or code)
        # A 404 without the Hub's own code or message comes from something between us and the Hub.
        if status in (401, 404, 410) and (code or message):
            return RepoError("gone", message or "the Hub does not show it")
        if status == 403 and response.is_from_hub:
            return RepoError("private", message or "status 403")
        if status in (403, 407):
            return IncompleteResponse(response.description)
        return RepoError("failed", f"status {status}{f': {message}' if message else ''}")


def read_body(response: httpx2.Response, timeout: float, max_bytes: int | None) -> bytes:
    """The body, read until it ends, `max_bytes` are there, or a limit is reached (IncompleteResponse).

    After `timeout` seconds it must have come with MIN_BYTES_PER_SECOND.
    """
    parts: list[bytes] = []
    size, started = 0, time.monotonic()
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if max_bytes is not None and size >= max_bytes:
            break
        if size > MAX_JSON_BYTES:
            raise IncompleteResponse(f"a response of more than {MAX_JSON_BYTES >> 20} MiB")
        elapsed = time.monotonic() - started
        if elapsed > timeout and response.num_bytes_downloaded < MIN_BYTES_PER_SECOND * elapsed:
            raise IncompleteResponse("the response comes too slowly")
    return b"".join(parts)


@lru_cache(maxsize=256)
@lru_cache(maxsize=1)
def tls_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """What checks certificates, by those that SSL_CERT_FILE and SSL_CERT_DIR name; to read them takes 40 ms."""
    return httpx2.create_ssl_context()


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
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted (SSL_CERT_FILE names the file of a private authority)"
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
