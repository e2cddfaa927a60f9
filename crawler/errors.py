"""Errors of a crawl, its sources and the service.

    CrawlError               the run can't continue
    ├── HubUnreachable       no response from the Hub after all retries
    │   ├── HubServerError   it responds with server errors (5xx): `status`
    │   └── InvalidResponse  it responds with 200 and something else: a web page, an error object, truncated JSON
    ├── ListingIncomplete    a part of the listing can't be read: the run continues without it and is not complete
    ├── RequestRefused       400: the Hub does not accept the parameters; `detail` is its message
    ├── Offline              HF_HUB_OFFLINE forbids requests
    ├── TokenNeeded          the Hub shows its repos only with a token
    ├── TokenUnencrypted     the token would be sent over http to another machine
    ├── TokenRefused         the Hub does not accept the token; nothing is concluded from its responses
    ├── ProxyInvalid         `setting`, a variable of the environment or two, names a proxy that can't be used
    ├── QuotaSpent           no request is left, and there is no time to wait for more
    ├── UnknownDataset       a data set that a snapshot is uploaded to or fetched from is not there
    └── ClusterError         the Dask cluster can't be used: `cluster` is its address
    ScheduleError            the service can't run as configured
    ├── ConfigError          its file is invalid: `path`, `place` in it, `why`
    ├── StateDamaged         its health file holds something else: `path`, `why`
    ├── SecretMissing        the secret of the Hub's webhook: `source`, `why`
    ├── PortUnavailable      `section` of the configuration can't listen on `port`
    └── ServiceAlreadyRunning  `state` is its health file, `pid` its process
    WatchError               a watch can't be made or run
    ├── UnknownWatch         no watch has this name
    └── TargetInvalid        a message can't be sent to this target
    DeliveryFailed           a message was not delivered; it is tried again
    RepoError                one repo can't be read: `reason` and `detail` become a Skipped row, the run continues
    └── FileError            one file can't be read (also a SourceError, which readers of headers handle)
    OrderIgnored             the Hub does not sort its listing by `order`: the caller lists in another way
    CrawlStopped             not an error: the crawl was asked to end (a signal, its budget, its time)

No message contains a token. URLs come without their query, which may contain a signature.
"""

from __future__ import annotations

from analysis.errors import SourceError
from db.record_base import SkipReason


class CrawlError(Exception):
    """The run can't continue. What is stored is safe; `hint` says what to do."""

    hint: str = ""


class HubUnreachable(CrawlError):
    """`endpoint` did not respond; `why` is the last error."""

    def __init__(self, endpoint: str, why: str) -> None:
        super().__init__(f"the Hub at {endpoint} can't be reached: {why}")
        self.endpoint, self.why = endpoint, why

    def __reduce__(self) -> tuple[type[HubUnreachable], tuple[str, str]]:
        return type(self), (self.endpoint, self.why)


class HubServerError(HubUnreachable):
    """The Hub responds to a request for `what` with a server error; `status` is the last one."""

    def __init__(self, endpoint: str, what: str, status: int) -> None:
        super().__init__(endpoint, f"{what} responds with status {status}")
        self.what, self.status = what, status

    def __reduce__(self) -> tuple[type[HubServerError], tuple[str, str, int]]:  # type: ignore[override]
        return type(self), (self.endpoint, self.what, self.status)


class InvalidResponse(HubUnreachable):
    """The Hub's response to a request for `what` is not valid; `problem` says how."""

    def __init__(self, endpoint: str, what: str, why: str) -> None:
        super().__init__(endpoint, f"{what}: {why}")
        self.what, self.problem = what, why

    def __reduce__(self) -> tuple[type[InvalidResponse], tuple[str, str, str]]:  # type: ignore[override]
        return type(self), (self.endpoint, self.what, self.problem)


class RequestRefused(CrawlError):
    """The Hub refuses a request for `what` as invalid; `detail` is its message."""

    hint = "check --filter, --search and --author; this Hub may be older or newer than the program"

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(f"the Hub refuses {what}: {detail}")
        self.what, self.detail = what, detail

    def __reduce__(self) -> tuple[type[RequestRefused], tuple[str, str]]:
        return type(self), (self.what, self.detail)


class ListingIncomplete(CrawlError):
    """A part of the listing can't be read, though the Hub responds; the message says which and why."""

    hint = "the next crawl resumes there; another Hub or mirror: --endpoint"


class OrderIgnored(Exception):
    """The Hub does not sort its listing by `order`."""

    def __init__(self, order: str) -> None:
        super().__init__(f"the Hub does not sort its listing by {order}")
        self.order = order


class Offline(CrawlError):
    """Offline mode forbids requests."""

    def __init__(self) -> None:
        super().__init__("offline mode is on: no request was sent")


class TokenNeeded(CrawlError):
    """The Hub asks for a token where none was sent; `what` is what it does not show without one."""

    hint = "log in with: hf auth login; or set HF_TOKEN"

    def __init__(self, endpoint: str, what: str) -> None:
        super().__init__(f"the Hub at {endpoint} shows {what} only with a token")
        self.endpoint, self.what = endpoint, what

    def __reduce__(self) -> tuple[type[TokenNeeded], tuple[str, str]]:
        return type(self), (self.endpoint, self.what)


class TokenUnencrypted(CrawlError):
    """The token would be sent unencrypted to another machine."""

    hint = "use https; or pass no token: unset HF_TOKEN, and set HF_HUB_DISABLE_IMPLICIT_TOKEN=1 if you are logged in"

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"the token would be sent unencrypted to {endpoint}")
        self.endpoint = endpoint

    def __reduce__(self) -> tuple[type[TokenUnencrypted], tuple[str]]:
        return type(self), (self.endpoint,)


class TokenRefused(CrawlError):
    """The Hub does not accept the token."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"the Hub at {endpoint} refuses the token")
        self.endpoint = endpoint

    def __reduce__(self) -> tuple[type[TokenRefused], tuple[str]]:
        return type(self), (self.endpoint,)


class ProxyInvalid(CrawlError):
    """A proxy that can't be used is set by `setting`, the names of variables."""

    hint = "set it to http://HOST:PORT, or unset it"

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(f"the proxy of {setting} can't be used: {why}")
        self.setting, self.why = setting, why

    def __reduce__(self) -> tuple[type[ProxyInvalid], tuple[str, str]]:
        return type(self), (self.setting, self.why)


class UnknownDataset(CrawlError):
    """No data set of the Hub is meant by `name`; `hint` says what to do."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(f"{name} is no data set that can be used")
        self.name, self.hint = name, hint

    def __reduce__(self) -> tuple[type[UnknownDataset], tuple[str, str]]:
        return type(self), (self.name, self.hint)


class QuotaSpent(CrawlError):
    """No request of `bucket` is left for `seconds`, longer than the crawl may wait."""

    def __init__(self, bucket: str, seconds: float) -> None:
        super().__init__(f"the quota of {bucket} requests is spent; the next are allowed in {seconds:.0f} s")
        self.bucket, self.seconds = bucket, seconds

    def __reduce__(self) -> tuple[type[QuotaSpent], tuple[str, float]]:
        return type(self), (self.bucket, self.seconds)


class ClusterError(CrawlError):
    """The Dask cluster at an address can't be reached, or its workers run another version; `why` says which."""

    hint = "docs/scaling.md says how to start one; this machine's cores: --cluster local:2"

    def __init__(self, cluster: str, why: str) -> None:
        super().__init__(f"the cluster {cluster}: {why}")
        self.cluster, self.why = cluster, why

    def __reduce__(self) -> tuple[type[ClusterError], tuple[str, str]]:
        return type(self), (self.cluster, self.why)


class ScheduleError(Exception):
    """The service can't run as configured."""

    hint: str = "hf-catalog schedule --help"


class ConfigError(ScheduleError):
    """`place` in the configuration file at `path` is invalid; `why` says how."""

    hint = "catalog.example.toml shows a complete one"

    def __init__(self, path: str, place: str, why: str) -> None:
        super().__init__(f"{path}{f', {place}' if place else ''}: {why}")
        self.path, self.place, self.why = path, place, why

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str, str]]:
        return type(self), (self.path, self.place, self.why)


class StateDamaged(ScheduleError):
    """The health file at `path` is not one that this version writes; `why` says what is wrong."""

    hint = "move it away: the jobs then run as if they had never run"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} is not the health file of a service: {why}")
        self.path, self.why = path, why

    def __reduce__(self) -> tuple[type[StateDamaged], tuple[str, str]]:
        return type(self), (self.path, self.why)


class ServiceAlreadyRunning(ScheduleError):
    """A service with this configuration file runs already."""

    hint = "wait for it or stop it: it ends by itself on SIGTERM"

    def __init__(self, state: str, pid: int | None) -> None:
        super().__init__(f"a service runs already: process {pid} (it says so in {state})")
        self.state, self.pid = state, pid

    def __reduce__(self) -> tuple[type[ServiceAlreadyRunning], tuple[str, int | None]]:
        return type(self), (self.state, self.pid)


class SecretMissing(ScheduleError):
    """The secret of the Hub's webhook is not in `source`; `why` has no part of it."""

    hint = "[webhook] needs secret_file, a file of mode 0600, or the environment variable HF_CATALOG_HUB_SECRET"

    def __init__(self, source: str, why: str) -> None:
        super().__init__(f"the secret of [webhook], {source}: {why}")
        self.source, self.why = source, why

    def __reduce__(self) -> tuple[type[SecretMissing], tuple[str, str]]:
        return type(self), (self.source, self.why)


class PortUnavailable(ScheduleError):
    """The HTTP server of a `section` of the configuration can't listen on a port; `why` is the system's message."""

    hint = "choose another port or address in the configuration"

    def __init__(self, section: str, port: int, why: str) -> None:
        super().__init__(f"[{section}] can't listen on port {port}: {why}")
        self.section, self.port, self.why = section, port, why

    def __reduce__(self) -> tuple[type[PortUnavailable], tuple[str, int, str]]:
        return type(self), (self.section, self.port, self.why)


class RepoError(Exception):
    """One repo, or one file of it, can't be read."""

    hint: str = "the Hub gives no more details; see the repo's page"

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail

    def __reduce__(self) -> tuple[type[RepoError], tuple[SkipReason, str]]:
        return type(self), (self.reason, self.detail)


class FileError(RepoError, SourceError):
    """The file `name` of a repo can't be read."""

    def __init__(self, name: str, reason: SkipReason, detail: str) -> None:
        Exception.__init__(self, f"{name}: {detail}")
        self.name, self.detail = name, detail
        self.reason: SkipReason = reason

    def __reduce__(self) -> tuple[type[FileError], tuple[str, SkipReason, str]]:  # type: ignore[override]
        return type(self), (self.name, self.reason, self.detail)


class WatchError(Exception):
    """A watch can't be made or run; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class UnknownWatch(WatchError):
    """No watch has this name; `known` are the names that there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        hint = f"there are {', '.join(known)}" if known else "make one with: hf-catalog watch add"
        super().__init__(f"no watch is named {name!r}", hint)


class TargetInvalid(WatchError):
    """A message can't be sent to `target`; `why` has no secret in it."""

    def __init__(self, target: str, why: str) -> None:
        hint = "print, feed, atom:FILE, https://HOST/PATH, env:VARIABLE or file:FILE (0600) that holds the address"
        super().__init__(f"target {target}: {why}", f"targets are {hint}")


class DeliveryFailed(Exception):
    """A message was not delivered; its text has no secret in it."""


class CrawlStopped(Exception):
    """The crawl was asked to end; `why` says by what. Not an error."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
