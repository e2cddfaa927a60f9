"""Who may see what, and how the Hub says no: the statuses, codes and messages that a crawler has to tell apart."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from urllib.parse import quote

from samplehub.content.catalog import Listing
from samplehub.content.repo import Files, Repo
from samplehub.server.http_server import Request, Response

READER = "hf_sample_reader"
MEMBER = "hf_sample_member"


@dataclass(frozen=True, slots=True)
class Account:
    """The owner of a token. `granted` holds gated repos whose terms were accepted; `everything` means all of them."""

    name: str
    granted: frozenset[str] = frozenset()
    everything: bool = False

    def may_read(self, repo: Repo) -> bool:
        return self.everything or repo.id in self.granted


def sample_tokens() -> dict[str, Account]:
    """Two accounts: one that never accepted any terms, one that accepted them all."""
    return {READER: Account("reader"), MEMBER: Account("member", everything=True)}


@dataclass
class Refusal(Exception):
    """An answer that is not 200: `message` goes into the body and X-Error-Message."""

    status: int
    message: str
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        return error(self.status, self.message, self.code, self.headers)


@dataclass
class Moved(Exception):
    """A repo has another name now: 307 to `location`, which is relative."""

    location: str

    def response(self) -> Response:
        body = f"Temporary Redirect. Redirecting to {self.location}".encode()
        return Response(307, {"Location": self.location, "Content-Type": "text/plain; charset=utf-8"}, body)


def error(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> Response:
    named = {"Content-Type": "application/json; charset=utf-8", "Vary": "Origin"} | (headers or {})
    if code:
        named["X-Error-Code"] = code
    named["X-Error-Message"] = "".join(sign if sign.isprintable() else " " for sign in message)
    return Response(status, named, json.dumps({"error": message}).encode())


class Access:
    """Finds repos, revisions and rights for one request."""

    def __init__(self, catalog: Listing, tokens: MutableMapping[str, Account]) -> None:
        self.catalog = catalog
        self.tokens = tokens

    def account(self, request: Request) -> Account | None:
        """The account of the request's token, None without a token. An unknown token ends the request."""
        token = request.token
        if token is None:
            return None
        account = self.tokens.get(token)
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return account

    def anonymous(self) -> Refusal:
        realm = {"WWW-Authenticate": 'Bearer realm="Authentication required", charset="UTF-8"'}
        return Refusal(401, "Invalid username or password.", None, realm)

    def repo(self, request: Request, repo_id: str, prefix: str) -> Repo:
        """The repo of this name; Moved where it has another now (`prefix` is what stands before the id in the path)."""
        account = self.account(request)
        repo = self.catalog.find(repo_id)
        if repo is None or repo.id != repo_id:
            name = repo.id if repo is not None else self.catalog.renamed(repo_id)
            target = self.catalog.find(name) if name else None
            if name and target is not None and (not target.private or account is not None):
                raise Moved(self._location(request, repo_id, name, prefix))
        if repo is None or (repo.private and account is None):
            raise self.anonymous() if account is None else Refusal(404, "Repository not found", "RepoNotFound")
        if repo.disabled:
            raise Refusal(403, "Access to this resource is disabled.")
        return repo

    def _location(self, request: Request, old: str, new: str, prefix: str) -> str:
        rest = request.path[len(prefix) + len(quote(old)) :]
        query = f"?{request.query_string}" if request.query_string else ""
        return f"{prefix}{quote(new)}{rest}{query}"

    def gate(self, request: Request, repo: Repo) -> None:
        """Lets only those pass who accepted a gated repo's terms."""
        if not repo.gated:
            return
        account = self.account(request)
        if account is None:
            raise Refusal(
                401,
                f"Access to model {repo.id} is restricted. You must have access to it and be authenticated to access"
                " it. Please log in.",
                "GatedRepo",
            )
        if not account.may_read(repo):
            raise Refusal(
                403,
                f"Access to model {repo.id} is restricted and you are not in the authorized list. Visit the model's"
                " page to ask for access.",
                "GatedRepo",
            )

    def revision(self, repo: Repo, revision: str) -> tuple[str, Files]:
        found = repo.revision_at(revision)
        if found is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    def no_entry(self, commit: str, path: str) -> Refusal:
        return Refusal(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit})
