"""The sample Hub: a catalog behind two ports, one of the Hub and one of its CDN, with whatever faults are asked for."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from samplehub.content.catalog import Catalog
from samplehub.content.datasets_and_spaces import sample_datasets, sample_spaces
from samplehub.server import api_routes as api
from samplehub.server import apply_faults as breakage
from samplehub.server.api_routes import Api
from samplehub.server.dialects import APIS, Dialect, without_range
from samplehub.server.faults import Fault, Faults
from samplehub.server.file_routes import Cdn, Files
from samplehub.server.http_server import Listener, RecordedRequest, Request, Response
from samplehub.server.permissions import Access, Account, Moved, Refusal, error, sample_tokens
from samplehub.server.rate_limits import Bucket, Quota, RateLimiter
from samplehub.server.uploads import Uploads

MAX_LOGGED_REQUESTS = 200_000  # requests
COMMON = {"X-Powered-By": "huggingface-moon", "Access-Control-Allow-Origin": "https://huggingface.co"}


class SampleHub:
    """A small Hub on loopback, for as long as the `with` block lasts.

        with SampleHub(faults=[Fault(Kind.RESET, on="cdn")]) as hub:
            crawl(endpoint=hub.endpoint)

    Args:
        models: a file of repos, one JSON object a line, perhaps compressed (.xz); default: the built-in catalog.
        faults: what goes wrong, and when.
        quota: requests allowed in a window; by default more than anybody sends.
        port: of the Hub; 0 takes a free one. The CDN's is always free.
        catalog: the repos themselves, where they are at hand.
        datasets, spaces: the same; default: a few built-in ones.
        dialect: whose API it has.
        path: below which the endpoint is, as at a proxy for several Hubs: `/artifactory/api/huggingfaceml/repo`.
        links_to: another Hub that links to next pages name instead of this one, as those of a mirror do.
        basic: user and password without which every request is refused, as by a proxy.
    """

    def __init__(
        self,
        models: Path | None = None,
        *,
        faults: Sequence[Fault] = (),
        quota: Quota | None = None,
        port: int = 0,
        catalog: Catalog | None = None,
        datasets: Catalog | None = None,
        spaces: Catalog | None = None,
        dialect: Dialect = Dialect.HUGGING_FACE,
        path: str = "",
        links_to: str | None = None,
        basic: tuple[str, str] | None = None,
    ) -> None:
        self.catalog = catalog if catalog is not None else read_catalog(models)
        self.faults = Faults(faults)
        self.tokens: dict[str, Account] = sample_tokens()
        self.requests: deque[RecordedRequest] = deque(maxlen=MAX_LOGGED_REQUESTS)
        self.foreign_requests: deque[RecordedRequest] = deque(maxlen=MAX_LOGGED_REQUESTS)
        self.meter = RateLimiter(quota)
        self._port = port
        self._access = Access(self.catalog, self.tokens)
        self._dialect, self._path, self._links_to, self._basic = dialect, path, links_to, basic
        self.datasets = datasets if datasets is not None else sample_datasets()
        self.spaces = spaces if spaces is not None else sample_spaces()
        self._apis = {"models": APIS[dialect](self.catalog, self._access)}
        for kind, others in (("datasets", self.datasets), ("spaces", self.spaces)):
            self._apis[kind] = Api(others, Access(others, self.tokens), kind)
        self.uploads = Uploads(self._access.account)
        self._cdn = Cdn()
        self._files = Files(self._access, self._cdn)
        self._listeners: dict[str, Listener] = {}

    # ---- from start to end -----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self._listeners["hub"] = Listener(self._hub_answer, self.requests.append, port=self._port, name="hub")
        self._listeners["cdn"] = Listener(self._cdn_answer, self.requests.append, name="cdn")
        for each in self._apis.values():
            each.endpoint = self._links_to or self.endpoint
        self._cdn.url = self.cdn

    def stop(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT should say."""
        return self._listeners["hub"].url + self._path

    @property
    def cdn(self) -> str:
        return self._listeners["cdn"].url

    @property
    def foreign_url(self) -> str:
        """A host that is neither: requests that follow a link to it are in `foreign_requests`, with the token they
        carried.
        """
        if "foreign" not in self._listeners:
            log = self.foreign_requests.append
            self._listeners["foreign"] = Listener(lambda request: Response(200, {}, b"[]"), log, name="foreign")
        return self._listeners["foreign"].url

    @property
    def link_life(self) -> float:
        """Seconds that a signed link to the CDN lives."""
        return self._cdn.life

    @link_life.setter
    def link_life(self, seconds: float) -> None:
        self._cdn.life = seconds

    # ---- one request -----------------------------------------------------------------------------------------------

    def _hub_answer(self, request: Request) -> Response:
        if not request.path.startswith(f"{self._path}/"):
            return Response(404, dict(breakage.HTML), b"<html><title>404 Not Found</title></html>")
        request = replace(request, path=request.path.removeprefix(self._path))
        if self._basic is not None and request.headers.get("authorization") != basic_authorization(*self._basic):
            return Response(401, {"WWW-Authenticate": 'Basic realm="proxy"'}, b"")
        segments = request.segments
        at_api = segments[0] == "api" and len(segments) > 1
        cached = at_api and segments[1] == "resolve-cache"
        place = api.request_kind(segments[1:]) if at_api and not cached else "resolve"
        fault = self.faults.take(place, "/" + "/".join(segments) + readable_path(request))
        context = breakage.FaultContext(request, place, self.endpoint, lambda: self.foreign_url)
        if fault is not None and fault.kind in breakage.REPLACEMENTS:
            return breakage.REPLACEMENTS[fault.kind](fault, context)
        heard = breakage.changed_request(fault, request) if fault is not None else request
        bucket: Bucket = "resolvers" if place == "resolve" else "api"
        standing = self.meter.count(bucket, request.token or "anonymous")
        try:
            if not standing.allowed:
                response = over_quota(bucket, standing.limit)
            elif (uploaded := self.uploads.answer(heard, self.endpoint)) is not None:
                response = uploaded
            elif cached:
                response = self._cached(heard, segments[2:])
            elif at_api:
                found = self._apis.get(segments[1], self._apis["models"])
                response = found.answer(heard, segments[1:], breakage.listing_shift(fault))
            else:
                response = self._resolve(heard, segments)
        except (Refusal, Moved) as no:
            response = no.response()
        response.headers = COMMON | response.headers | standing.headers()
        if fault is not None and fault.kind in breakage.CHANGES:
            response = breakage.CHANGES[fault.kind](fault, context, response)
        return response

    def _resolve(self, request: Request, segments: list[str]) -> Response:
        for at in (1, 2):
            if len(segments) > at + 2 and segments[at] == "resolve":
                repo_id, revision = "/".join(segments[:at]), segments[at + 1]
                if self._dialect is Dialect.MATRIX:
                    return self._resolve_directly(request, repo_id, revision, "/".join(segments[at + 2 :]))
                return self._files.resolve(request, repo_id, revision, "/".join(segments[at + 2 :]))
        if request.path == "/":
            return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, self.startup_message().encode())
        return Response(404, dict(breakage.HTML), b"<!DOCTYPE html><html><body><h1>404</h1></body></html>")

    def _resolve_directly(self, request: Request, repo_id: str, revision: str, path: str) -> Response:
        """As MatrixHub: small files are sent by the Hub itself, whole."""
        response = self._files.resolve(without_range(request), repo_id, revision, path)
        cached = response.headers.get("Location", "")
        if not cached.startswith("/api/resolve-cache/"):
            return response
        return self._cached(without_range(request), [unquote(part) for part in urlsplit(cached).path.split("/")[3:]])

    def _cached(self, request: Request, segments: list[str]) -> Response:
        """/api/resolve-cache/models/{id}/{commit}/{path}"""
        for at in (2, 3):
            repo = self.catalog.find("/".join(segments[1:at]))
            if repo is not None and len(segments) > at + 1 and repo.revision_at(segments[at]) is not None:
                return self._files.cached(request, repo, segments[at], "/".join(segments[at + 1 :]))
        return error(404, "Entry not found", "EntryNotFound")

    def _cdn_answer(self, request: Request) -> Response:
        fault = self.faults.take("cdn", request.path + readable_path(request))
        context = breakage.FaultContext(request, "cdn", self.cdn, lambda: self.foreign_url)
        if fault is not None and fault.kind in breakage.REPLACEMENTS:
            return breakage.REPLACEMENTS[fault.kind](fault, context)
        response = self._cdn.answer(breakage.changed_request(fault, request) if fault is not None else request)
        if fault is not None and fault.kind in breakage.CHANGES:
            response = breakage.CHANGES[fault.kind](fault, context, response)
        return response

    def startup_message(self) -> str:
        return (
            f"A sample Hub with {len(self.catalog):,} repos.\n"
            f"Crawl it:   hf-catalog crawl --db sample.db --endpoint {self.endpoint}\n"
            f"Or look:    HF_ENDPOINT={self.endpoint} hf models ls\n"
        )


def basic_authorization(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def read_catalog(models: Path | None) -> Catalog:
    if models is None:
        from samplehub.content.built_in import built_in

        return built_in()
    from samplehub.content.from_jsonl import read_models

    return read_models(models)


def over_quota(bucket: Bucket, limit: int) -> Response:
    return error(
        429,
        f"We had to rate limit you, you hit the quota of {limit} {bucket} requests per 5 minutes period. Upgrade to a"
        " PRO user or Team/Enterprise organization account for higher limits.",
    )


def readable_path(request: Request) -> str:
    """The query as people write it, for faults that look for something in it."""
    from urllib.parse import unquote_plus

    return f"?{unquote_plus(request.query_string)}" if request.query_string else ""
