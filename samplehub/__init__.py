"""A small, faithful Hub on loopback: for the demo, for tests, and for trying the crawler without a network."""

from samplehub.content.catalog import Catalog
from samplehub.content.file_content import Content, SmallFile, SparseFile
from samplehub.content.repo import Repo, RepoParts
from samplehub.server.dialects import Dialect
from samplehub.server.faults import Fault, Faults, Kind
from samplehub.server.http_server import RecordedRequest
from samplehub.server.permissions import MEMBER, READER, Account
from samplehub.server.rate_limits import Quota
from samplehub.server.server import SampleHub

__all__ = [
    "MEMBER",
    "READER",
    "Account",
    "Catalog",
    "Content",
    "Dialect",
    "Fault",
    "Faults",
    "Kind",
    "Quota",
    "RecordedRequest",
    "Repo",
    "RepoParts",
    "SampleHub",
    "SmallFile",
    "SparseFile",
]
