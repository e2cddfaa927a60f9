"""What a fault does to an answer: one function a kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from samplehub.server.faults import Fault, Kind
from samplehub.server.file_routes import expired_link_response
from samplehub.server.http_server import Request, Response, Transport

ERROR_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Hugging Face - Service trouble</title></head>"
    b"<body><h1>%s</h1><p>We are working on it.</p></body></html>"
)
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
MANY = 1_000_000  # informational responses: more than any client reads
WRONG_RANGE_OFFSET_BYTES = 1024  # bytes by which LYING_RANGE is off


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a fault may need to know of the request it strikes."""

    request: Request
    place: str
    endpoint: str
    foreign_url: Callable[[], str]  # the address of a host that is not the Hub


Instead = Callable[[Fault, FaultContext], Response]
Change = Callable[[Fault, FaultContext, Response], Response]


def html_page(status: int, words: str) -> Response:
    return Response(status, dict(HTML), ERROR_PAGE % words.encode())


def too_many(fault: Fault, context: FaultContext) -> Response:
    wait = max(1, round(fault.seconds))
    bucket = "resolvers" if context.place in ("resolve", "cdn") else "api"
    headers = {"RateLimit": f'"{bucket}";r=0;t={wait}', "RateLimit-Policy": f'"fixed window";"{bucket}";q=500;w=300'}
    return rate_limit_page(headers)


def rate_limit_page(headers: dict[str, str]) -> Response:
    body = {
        "error": "We had to rate limit your IP (127.0.0.1). To continue using our service, create a HF account or login"
        " to your existing account, and make sure you pass a HF_TOKEN if you're using the API."
    }
    return Response(429, JSON | headers, json.dumps(body).encode())


def foreign_redirect(fault: Fault, context: FaultContext) -> Response:
    location = context.foreign_url() + context.request.target
    return Response(302, {"Location": location, "Content-Type": "text/plain"}, b"Found.")


REPLACEMENTS: dict[Kind, Instead] = {
    Kind.TOO_MANY: too_many,
    Kind.TOO_MANY_BARE: lambda fault, context: html_page(429, "Too Many Requests"),
    Kind.TOO_MANY_RETRY_AFTER: lambda fault, context: rate_limit_page(
        {"Retry-After": str(max(1, round(fault.seconds)))}
    ),
    Kind.SERVER_ERROR: lambda fault, context: Response(500, dict(JSON), b'{"error":"Internal Server Error"}'),
    Kind.BAD_GATEWAY: lambda fault, context: html_page(502, "Bad Gateway"),
    Kind.UNAVAILABLE: lambda fault, context: html_page(503, "Service Unavailable"),
    Kind.GATEWAY_TIMEOUT: lambda fault, context: html_page(504, "504 Gateway Timeout ERROR"),
    Kind.HTML: lambda fault, context: html_page(200, "Hugging Face is temporarily unavailable"),
    Kind.RESPONSE: lambda fault, context: Response(fault.status, dict(fault.headers), fault.body),
    Kind.ERROR_OBJECT: lambda fault, context: Response(
        200, dict(JSON), b'{"error":"Rate limit reached. Please log in or use a HF access token"}'
    ),
}


def reset(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.transport = Transport(cut=fault.bytes, reset=True)
    return response


def short_body(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.transport = Transport(cut=response.length // 2 if fault.bytes is None else fault.bytes)
    response.compress = False
    return response


def drip(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.transport = Transport(drip=fault.bytes or 16, pause=fault.seconds)
    response.compress = False
    return response


def stall(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.transport = Transport(stall=fault.seconds)
    return response


def truncated(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.body = response.body[: len(response.body) // 2 if fault.bytes is None else fault.bytes]
    response.compress = False
    return response


def wrong_types(fault: Fault, context: FaultContext, response: Response) -> Response:
    try:
        value = json.loads(response.body)
    except ValueError:
        return response
    response.body = json.dumps(with_wrong_types(value)).encode()
    return response


def with_wrong_types(value: Any) -> Any:
    """A listing with foreign values among its rows and one row altered, or an object with fields of other types."""
    if not isinstance(value, list):
        bent = {
            "siblings": "none",
            "tags": {"gguf": True},
            "downloads": "many",
            "safetensors": {"parameters": {"BF16": "7B"}},
            "sha": 7,
        }
        return value | {key: bent[key] for key in bent if key in value} if isinstance(value, dict) else value
    foreign: list[Any] = [None, 17, "a string", [], {}, {"_id": 5, "id": ["no", "name"]}]
    rows = [*foreign, *value]
    if value and isinstance(value[0], dict):
        rows[len(foreign)] = value[0] | {"downloads": "many", "tags": "gguf", "createdAt": 1700000000, "likes": [3]}
    return rows


def repeated_page(fault: Fault, context: FaultContext, response: Response) -> Response:
    if "Link" in response.headers:
        response.headers["Link"] = f'<{context.endpoint}{context.request.target}>; rel="next"'
    return response


def cut_listing(fault: Fault, context: FaultContext, response: Response) -> Response:
    if "Link" in response.headers:
        del response.headers["Link"]
        response.body = json.dumps(json.loads(response.body)[: fault.count]).encode()
    return response


def lying_range(fault: Fault, context: FaultContext, response: Response) -> Response:
    if response.status != 206 or response.content is None:
        return response
    size, length = response.content.size, response.length
    start = (
        response.start - WRONG_RANGE_OFFSET_BYTES
        if response.start >= WRONG_RANGE_OFFSET_BYTES
        else min(response.start + WRONG_RANGE_OFFSET_BYTES, max(0, size - length))
    )
    response.start, response.end = start, start + length
    response.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return response


def expired_link(fault: Fault, context: FaultContext, response: Response) -> Response:
    if context.place == "cdn":
        return expired_link_response()
    location = response.headers.get("Location", "")
    if "Expires=" in location:
        before, _, after = location.partition("Expires=")
        response.headers["Location"] = f"{before}Expires=1&{after.partition('&')[2]}"
    return response


def foreign_link(fault: Fault, context: FaultContext, response: Response) -> Response:
    """The link to the next page leads away; where there is none, the request itself is sent away."""
    link = response.headers.get("Link", "")
    if context.place != "listing" or not link:
        return foreign_redirect(fault, context)
    target = urlsplit(link.partition("<")[2].partition(">")[0])
    response.headers["Link"] = f'<{context.foreign_url()}{target.path}?{target.query}>; rel="next"'
    return response


def poisoned_row(fault: Fault, context: FaultContext, response: Response) -> Response:
    holds = f'"id":"{fault.name}"'.encode() in response.body
    return html_page(fault.status, "Internal error") if holds else response


ALTERED = "the altered field"


def altered_field(fault: Fault, context: FaultContext, response: Response) -> Response:
    """Puts a text into the JSON that need not be valid, such as NaN, or bytes that are not UTF-8."""
    try:
        value = json.loads(response.body)
    except ValueError:
        return response
    target = value[0] if isinstance(value, list) and value else value
    if isinstance(target, dict):
        target[fault.name] = ALTERED
        response.body = json.dumps(value).encode().replace(json.dumps(ALTERED).encode(), fault.body)
    return response


def no_link(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.headers.pop("Link", None)
    return response


def short_page(fault: Fault, context: FaultContext, response: Response) -> Response:
    if "Link" in response.headers:
        response.body = json.dumps(json.loads(response.body)[: -fault.count]).encode()
    return response


def changing_cursor(fault: Fault, context: FaultContext, response: Response) -> Response:
    number = len(context.request.query_string)
    target = f"{context.endpoint}{context.request.target}{'&' if context.request.query_string else '?'}"
    response.headers["Link"] = f'<{target}cursor={"x" * number}>; rel="next"'
    return response


def informational(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.transport = Transport(informational=MANY, pause=fault.seconds)
    return response


def slow_head(fault: Fault, context: FaultContext, response: Response) -> Response:
    response.transport = Transport(slow_head=True, pause=fault.seconds)
    return response


CHANGES: dict[Kind, Change] = {
    Kind.POISONED_ROW: poisoned_row,
    Kind.ALTERED_FIELD: altered_field,
    Kind.NO_LINK: no_link,
    Kind.SHORT_PAGE: short_page,
    Kind.CHANGING_CURSOR: changing_cursor,
    Kind.INFORMATIONAL: informational,
    Kind.SLOW_HEAD: slow_head,
    Kind.RESET: reset,
    Kind.SHORT_BODY: short_body,
    Kind.DRIP: drip,
    Kind.STALL: stall,
    Kind.TRUNCATED_JSON: truncated,
    Kind.WRONG_TYPES: wrong_types,
    Kind.REPEATED_PAGE: repeated_page,
    Kind.CUT_LISTING: cut_listing,
    Kind.LYING_RANGE: lying_range,
    Kind.EXPIRED_LINK: expired_link,
    Kind.FOREIGN_HOST: foreign_link,
}


def changed_request(fault: Fault, request: Request) -> Request:
    """The request as the Hub understands it: IGNORED_RANGE hides its range, IGNORED_PARAMETER a parameter."""
    ignored = {Kind.IGNORED_PARAMETER: fault.name, Kind.CHANGING_CURSOR: "cursor"}.get(fault.kind)
    if ignored is not None:
        kept = [(name, value) for name, value in request.query if name != ignored]
        return replace(request, query_string=urlencode(kept))
    if fault.kind is Kind.IGNORED_RANGE:
        return replace(request, headers={name: value for name, value in request.headers.items() if name != "range"})
    return request


def listing_shift(fault: Fault | None) -> int:
    """By how many rows a page of the listing is moved."""
    if fault is None:
        return 0
    return {Kind.SHIFTED_PAGE: -fault.count, Kind.SKIPPED_ROWS: fault.count}.get(fault.kind, 0)
