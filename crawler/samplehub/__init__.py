"""A small, faithful Hub on loopback: for the demo, for tests, and for trying the crawler without a network."""

from crawler.samplehub.access import MEMBER, READER, Account
from crawler.samplehub.catalog import Catalog
from crawler.samplehub.content import Content, Small, Sparse
from crawler.samplehub.faults import Fault, Faults, Kind
from crawler.samplehub.quota import Quota
from crawler.samplehub.repo import Parts, Repo
from crawler.samplehub.server import SampleHub
from crawler.samplehub.wire import Asked

__all__ = [
    "MEMBER",
    "READER",
    "Account",
    "Asked",
    "Catalog",
    "Content",
    "Fault",
    "Faults",
    "Kind",
    "Parts",
    "Quota",
    "Repo",
    "SampleHub",
    "Small",
    "Sparse",
]
