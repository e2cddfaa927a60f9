"""What can go wrong in reaching out.

    CrawlError               the run can't go on
    ├── HubUnreachable       no answer from the Hub, for as long as we are patient
    │   ├── HubFailing       it answers with errors (5xx): `status`
    │   └── BadAnswer        it answers 200 with what is no answer: a web page, an error object, half a JSON text
    ├── RequestRefused       400: the Hub does not take what was asked; `detail` are its words
    ├── Offline              HF_HUB_OFFLINE says that nothing may be asked
    ├── TokenRefused         the Hub does not know the token; nothing is concluded from its answers
    ├── QuotaSpent           no request is left, and the time to wait for more is not there
    └── ClusterError         the Dask cluster can't be used: `cluster` is its address
    ScheduleError            the service can't run as it was told
    ├── BadTimetable         its file is not as it must be: `path`, `place` in it, `why`
    └── ServiceRuns          it runs already: `state` is its health file, `pid` its process
    RepoTrouble              one repo can't be read: `reason` and `detail` become a Skipped row, the run goes on
    └── FileTrouble          one file of it can't (also a SourceError, for those who read headers)
    Stopped                  no error: the crawl was asked to end (a signal, its budget, its time)

No message holds a token; URLs are told without their query, which may hold a signature.
"""

from __future__ import annotations

from analysis.errors import SourceError
from db.record_base import SkipReason


class CrawlError(Exception):
    """The run can't go on. What is stored is safe; `hint` says the way out."""

    hint: str = ""


class HubUnreachable(CrawlError):
    """`endpoint` did not answer; `why` is the last thing that went wrong."""

    def __init__(self, endpoint: str, why: str) -> None:
        super().__init__(f"the Hub at {endpoint} can't be reached: {why}")
        self.endpoint, self.why = endpoint, why

    def __reduce__(self) -> tuple[type[HubUnreachable], tuple[str, str]]:
        return type(self), (self.endpoint, self.why)


class HubServerError(HubUnreachable):
    """The Hub answers `what` with an error of its own; `status` is the last one."""

    def __init__(self, endpoint: str, what: str, status: int) -> None:
        super().__init__(endpoint, f"{what} answers {status}")
        self.what, self.status = what, status

    def __reduce__(self) -> tuple[type[HubServerError], tuple[str, str, int]]:  # type: ignore[override]
        return type(self), (self.endpoint, self.what, self.status)


class InvalidResponse(HubUnreachable):
    """The Hub's answer to `what` is not what is due; `why` says how."""

    def __init__(self, endpoint: str, what: str, why: str) -> None:
        super().__init__(endpoint, f"{what}: {why}")
        self.what, self.problem = what, why

    def __reduce__(self) -> tuple[type[InvalidResponse], tuple[str, str, str]]:  # type: ignore[override]
        return type(self), (self.endpoint, self.what, self.problem)


class RequestRefused(CrawlError):
    """The Hub refuses a request as wrong: `what` was asked, `detail` is what it said."""

    hint = "look at --filter, --search and --author; this Hub may be older or newer than the program"

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(f"the Hub refuses {what}: {detail}")
        self.what, self.detail = what, detail

    def __reduce__(self) -> tuple[type[RequestRefused], tuple[str, str]]:
        return type(self), (self.what, self.detail)


class Offline(CrawlError):
    """Nothing may be asked of the network."""

    def __init__(self) -> None:
        super().__init__("offline mode is on: the Hub was not asked")


class TokenRefused(CrawlError):
    """The Hub does not take our token."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"the Hub at {endpoint} refuses the token")
        self.endpoint = endpoint

    def __reduce__(self) -> tuple[type[TokenRefused], tuple[str]]:
        return type(self), (self.endpoint,)


class QuotaSpent(CrawlError):
    """No request of `bucket` is left for `seconds`, and the crawl may not wait that long."""

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
    """The service can't run as it was told."""

    hint: str = "hf-catalog schedule --help"


class ConfigError(ScheduleError):
    """`place` in the timetable at `path` is not as it must be; `why` says how."""

    hint = "catalog.example.toml shows a whole one"

    def __init__(self, path: str, place: str, why: str) -> None:
        super().__init__(f"{path}{f', {place}' if place else ''}: {why}")
        self.path, self.place, self.why = path, place, why

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str, str]]:
        return type(self), (self.path, self.place, self.why)


class ServiceAlreadyRunning(ScheduleError):
    """A service of this timetable runs already."""

    hint = "wait for it or stop it: it ends by itself on SIGTERM"

    def __init__(self, state: str, pid: int | None) -> None:
        super().__init__(f"a service runs already: process {pid} (it says so in {state})")
        self.state, self.pid = state, pid

    def __reduce__(self) -> tuple[type[ServiceAlreadyRunning], tuple[str, int | None]]:
        return type(self), (self.state, self.pid)


class RepoError(Exception):
    """One repo, or one file of it, can't be read."""

    hint: str = "the Hub itself says no more; look at the repo's page"

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail

    def __reduce__(self) -> tuple[type[RepoError], tuple[SkipReason, str]]:
        return type(self), (self.reason, self.detail)


class FileError(RepoError, SourceError):
    """The bytes of the file `name` can't be had."""

    hint = "the Hub itself says no more; look at the repo's page"

    def __init__(self, name: str, reason: SkipReason, detail: str) -> None:
        Exception.__init__(self, f"{name}: {detail}")
        self.name, self.detail = name, detail
        self.reason: SkipReason = reason

    def __reduce__(self) -> tuple[type[FileError], tuple[str, SkipReason, str]]:  # type: ignore[override]
        return type(self), (self.name, self.reason, self.detail)


class CrawlStopped(Exception):
    """The crawl was asked to end; `why` says by what."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
