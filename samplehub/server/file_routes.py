"""The bytes of files: the Hub's resolve route, its cache for small files, and the CDN with its signed links."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from urllib.parse import quote, urlencode

from samplehub.content.file_content import Content
from samplehub.content.repo import Repo
from samplehub.server.http_server import Request, Response
from samplehub.server.permissions import Access

RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
LINK_LIFE_SECONDS = 3600.0
DIRECT = frozenset({"README.md", ".gitattributes"})  # served at once; other small files by way of the resolve cache


class Files:
    """Answers `/{repo}/resolve/{revision}/{path}` and `/api/resolve-cache/...`."""

    def __init__(self, access: Access, cdn: Cdn) -> None:
        self.access = access
        self.cdn = cdn

    def resolve(self, request: Request, repo_id: str, revision: str, path: str) -> Response:
        """The first hop: a redirect for LFS files and most small ones, the file itself for the rest."""
        repo = self.access.repo(request, repo_id, prefix="/")
        self.access.gate(request, repo)
        commit, files = self.access.revision(repo, revision)
        content = files.get(path)
        if content is None:
            raise self.access.no_entry(commit, path)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "Vary": "Origin, Accept"}
        if content.large:
            headers |= {
                "X-Linked-Size": str(content.size),
                "X-Linked-Etag": f'"{content.digest}"',
                "Cache-Control": "no-store",
            }
            return redirect(302, "Found", self.cdn.link(content, path), headers)
        etag = f'"{content.blob_id}"'
        if path in DIRECT:
            return range_response(
                request, content, headers | {"ETag": etag, "Content-Type": "text/plain; charset=utf-8"}
            )
        headers |= {"X-Linked-Size": str(content.size), "X-Linked-Etag": etag}
        cached = f"/api/resolve-cache/models/{repo.id}/{commit}/{quote(path)}"
        return redirect(307, "Temporary Redirect", f"{cached}?{urlencode({'etag': etag})}", headers)

    def cached(self, request: Request, repo: Repo, commit: str, path: str) -> Response:
        """The second hop to a small file."""
        self.access.gate(request, repo)
        commit, files = self.access.revision(repo, commit)
        content = files.get(path)
        if content is None:
            raise self.access.no_entry(commit, path)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{content.blob_id}"', "Content-Type": "text/plain; charset=utf-8"}
        return range_response(request, content, headers)


class Cdn:
    """Large files behind links that expire; asked with a token it refuses, as the storage behind the Hub does."""

    def __init__(self) -> None:
        self.url = ""
        self.life = LINK_LIFE_SECONDS
        self._key = secrets.token_bytes(16)
        self._stored: dict[str, Content] = {}

    def link(self, content: Content, path: str, life: float | None = None) -> str:
        """A signed link to a content, good for `life` seconds."""
        self._stored[content.digest] = content
        target = f"/repos/{content.digest}/{quote(path.rpartition('/')[2])}"
        expires = int(time.time() + (self.life if life is None else life))
        signed = urlencode({"Expires": expires, "Signature": self._sign(target, expires), "Key-Pair-Id": "sample"})
        return f"{self.url}{target}?{signed}"

    def answer(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return xml_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        asked = dict(request.query)
        expires = asked.get("Expires", "0")
        signature = self._sign(request.path, int(expires) if expires.isdigit() else 0)
        if not hmac.compare_digest(signature, asked.get("Signature", "")):
            return xml_error(403, "SignatureDoesNotMatch", "The signature does not match")
        if int(expires) <= time.time():
            return expired_link_response()
        content = self._stored.get(request.path.split("/")[2])
        if content is None:
            return xml_error(404, "NoSuchKey", "The specified key does not exist.")
        etag = f'"{content.digest}"'
        headers = {"ETag": etag, "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        return range_response(request, content, headers)

    def _sign(self, target: str, expires: int) -> str:
        return hmac.new(self._key, f"{target}\n{expires}".encode(), hashlib.sha256).hexdigest()


def range_response(request: Request, content: Content, headers: dict[str, str]) -> Response:
    """The whole content, or the range that was asked for (206), or 416 where there is no such range."""
    size = content.size
    found = RANGE.match(request.headers.get("range", ""))
    if found is None or found.groups() == ("", ""):
        return Response(200, headers, content=content, start=0, end=size)
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if start >= size or end <= start:
        return Response(416, headers | {"Content-Range": f"bytes */{size}"})
    headers = headers | {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return Response(206, headers, content=content, start=start, end=end)


def redirect(status: int, words: str, location: str, headers: dict[str, str]) -> Response:
    named = headers | {"Location": location, "Content-Type": "text/plain; charset=utf-8"}
    return Response(status, named, f"{words}. Redirecting to {location}".encode())


def xml_error(status: int, code: str, message: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(status, {"Content-Type": "application/xml"}, body.encode())


def expired_link_response() -> Response:
    return xml_error(403, "AccessDenied", "Request has expired")
