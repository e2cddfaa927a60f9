"""Imports of pickles by their opcodes; hostile ones neither run nor hang."""

from __future__ import annotations

import collections
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from analysis.formats import pickle_files
from analysis.formats.pickle_files import is_pickle_path, read_pickle_header, scan_pickle_file
from analysis.formats.source import BytesSource, FileSource
from analysis.security import pickles
from analysis.security.pickles import Import, merge_scans, scan_pickles
from db.records import ArtifactRecord
from samplehub.content.inert_pickles import inert_pickle


class Calls:
    """Pickles as a call of os.system."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("exit 3",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_is_found_in_every_protocol(protocol: int) -> None:
    found = scan_pickles(pickle.dumps({"weights": [1, 2], "x": Calls()}, protocol))
    assert (found.verdict, found.problem) == ("dangerous", None)
    assert Import(os.system.__module__, "system") in found.imports


@pytest.mark.parametrize(
    ("name", "safety"),
    [
        ("collections.OrderedDict", "innocuous"),
        ("torch._utils._rebuild_tensor_v2", "innocuous"),
        ("builtins.set", "innocuous"),
        ("builtins.eval", "dangerous"),
        ("os.path.join", "dangerous"),
        ("torch.hub.load", "dangerous"),
        ("torch.nn.modules.linear.Linear", "suspicious"),
        ("acme.Layer", "suspicious"),
        ("osmosis.run", "suspicious"),
    ],
)
def test_the_longest_entry_that_fits_decides(name: str, safety: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert Import(module, attribute).safety == safety


def test_names_that_a_pickle_puts_together_are_found() -> None:
    by_memo = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94000h\x00h\x01\x93."
    twice = b"\x80\x04\x8c\x02os2\x8c\x06system\x930\x8c\x06system\x93."
    for data in (by_memo.replace(b"000", b"00"), twice):
        assert Import("os", "system") in scan_pickles(data).imports
    computed = b"\x80\x04]]\x93."
    assert scan_pickles(computed).imports == (Import("?", "?"),)
    assert scan_pickles(computed).verdict == "suspicious"


def test_pickles_behind_each_other_are_followed_and_data_behind_them_are_not() -> None:
    data = pickle.dumps(1, 2) + pickle.dumps(Calls(), 2) + b"\0" * 100
    assert scan_pickles(data) == scan_pickles(pickle.dumps(Calls(), 2))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",  # a text of 2**63 bytes
        b"\x80\x04\x8b\xff\xff\xff\x7f",  # a number of 2**31 bytes
        b"I" + b"9" * 100_000 + b"\n.",
        b"(" * 100_000,
        b"]" + b"a" * 100_000,
        b"\x80\x04" + b"(l" * 50_000,
        bytes(range(256)) * 100,
    ],
)
def test_what_is_malformed_ends_as_suspicious(data: bytes) -> None:
    found = scan_pickles(data)
    assert found.problem is not None
    assert found.verdict in ("suspicious", "dangerous")


def test_deep_nesting_is_no_recursion() -> None:
    assert scan_pickles(b"]" * 50_000 + b"a" * 49_999 + b".").verdict == "innocuous"


def test_what_was_found_before_a_stream_breaks_stays() -> None:
    assert scan_pickles(pickle.dumps(Calls(), 4)[:-1]).verdict == "dangerous"


def test_there_are_at_most_so_many_opcodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_OPCODES", 10)
    assert "10 opcodes" in str(scan_pickles(b"N0" * 10 + b"N.").problem)


def test_many_imports_do_not_hide_a_dangerous_one() -> None:
    names = [f"acme.part{number}" for number in range(pickles.MAX_IMPORTS + 50)]
    found = scan_pickles(inert_pickle([*names, "os.system"]))
    assert (found.verdict, len(found.imports), str(found.imports[0])) == ("dangerous", pickles.MAX_IMPORTS, "os.system")


def test_scans_are_merged_into_the_worst() -> None:
    good, bad = scan_pickles(inert_pickle(["builtins.set"])), scan_pickles(inert_pickle(["builtins.exec"]))
    merged = merge_scans([good, bad])
    assert merged.verdict == "dangerous"
    assert [str(each) for each in merged.imports] == ["builtins.exec", "builtins.set"]
    assert merged.as_facts()["imports"][0] == {  # type: ignore[index]
        "module": "builtins", "name": "exec", "safety": "dangerous",
    }  # fmt: skip


# ---- files -----------------------------------------------------------------------------------------------------------


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> FileSource:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return FileSource(path)


def test_the_pickles_of_an_archive_are_read(tmp_path: Path) -> None:
    evil = pickle.dumps(Calls(), 2)
    source = write_zip(tmp_path / "model.pt", {"model/data.pkl": evil, "model/data/0": bytes(5000)})
    found = scan_pickle_file(source)
    assert found is not None
    assert found.verdict == "dangerous"
    assert source.bytes_read < 100_000
    packed = scan_pickle_file(write_zip(tmp_path / "packed.pt", {"x/data.pkl": evil}, zipfile.ZIP_DEFLATED))
    assert packed is not None
    assert packed.verdict == "dangerous"
    assert scan_pickle_file(write_zip(tmp_path / "none.pt", {"weights.bin": b"1"})) is None


def test_the_pickles_of_an_archive_share_their_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"{at}/data.pkl": b"N0" * 10 + b"N." for at in range(3)}
    source = write_zip(tmp_path / "three.pt", members)
    found = scan_pickle_file(source)
    assert found is not None
    assert (found.verdict, found.problem) == ("innocuous", None)
    monkeypatch.setattr(pickle_files, "MAX_OPCODES", 60)
    found = scan_pickle_file(source)
    assert "opcodes" in str(found and found.problem)
    monkeypatch.undo()
    monkeypatch.setattr(pickle_files, "MAX_ARCHIVE_PICKLE_BYTES", 30)
    found = scan_pickle_file(source)
    assert "pickles of more than" in str(found and found.problem)


def test_imports_count_as_many_opcodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_OPCODES", 3 * pickles.IMPORT_OPCODES)
    assert scan_pickles(b"cos\nsystem\n0" * 2 + b"N.").problem is None
    assert "opcodes" in str(scan_pickles(b"cos\nsystem\n0" * 3 + b"N.").problem)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = write_zip(tmp_path / "bomb.pt", {"x/data.pkl": b"\x80\x02" + bytes(200 << 20)}, zipfile.ZIP_DEFLATED)
    found = scan_pickle_file(bomb)
    assert found is not None
    assert (found.verdict, found.problem is not None) == ("suspicious", True)


def test_more_of_a_file_is_read_until_its_pickle_ends() -> None:
    """Also where it begins with a text of any length, and with no opcode of a protocol."""
    evil = b"X" + (700_000).to_bytes(4, "little") + bytes(700_000) + b"0cos\nsystem\n."
    source = BytesSource(evil + bytes(6_000_000))
    found = scan_pickle_file(source)
    assert (found and found.verdict, source.bytes_read < 5_000_000) == ("dangerous", True)
    cut = scan_pickle_file(BytesSource(evil), most_bytes=300_000)
    assert (cut and cut.verdict, cut and cut.problem) == ("suspicious", "of its bytes only the first 300,000 are read")


def test_what_no_unpickler_would_follow_is_no_pickle() -> None:
    found = [
        scan_pickle_file(BytesSource(data)) for data in (bytes(5000), b"\xffabc", b"cos\nsystem\n\xff", b"\x80\xff")
    ]
    assert [each and each.verdict for each in found] == [None, None, "dangerous", "suspicious"]


def test_a_crawl_keeps_what_the_pickles_of_all_shards_import() -> None:
    files = {"a-1.bin": pickle.dumps(1, 2), "a-2.bin": pickle.dumps(Calls(), 2)}
    artifact = ArtifactRecord("a", "weights", "pytorch", tuple(files), None, content="c")
    sources = {path: BytesSource(data, path) for path, data in files.items()}
    header = read_pickle_header(artifact, {path: len(data) for path, data in files.items()}, sources.__getitem__)
    assert (header.content, header.size, header.tensor_count) == ("c", sum(map(len, files.values())), 0)
    assert (header.requests, header.bytes_read) == (2, header.size)
    assert header.facts["pickle"]["verdict"] == "dangerous"
    nothing = read_pickle_header(artifact, {}, lambda path: BytesSource(bytes(100), path))
    assert (nothing.size, nothing.facts) == (None, {})


def test_compressed_and_plain_files_are_read() -> None:
    evil, good = pickle.dumps(Calls(), 4), pickle.dumps(collections.OrderedDict(a=1), 4)
    verdicts = [scan_pickle_file(BytesSource(data)) for data in (zlib.compress(evil), evil, good, b"GGUF" + bytes(99))]
    assert [each and each.verdict for each in verdicts] == ["dangerous", "dangerous", "innocuous", None]


@pytest.mark.parametrize(
    ("path", "is_one"),
    [("pytorch_model.bin", True), ("a/x.pt", True), ("x.ckpt", True), ("x.pkl", True), ("x.joblib", True),
     ("x.nemo", True), ("model.safetensors", False), ("model.gguf", False), ("x.h5", False), ("README.md", False)],
)  # fmt: skip
def test_the_path_tells_which_files_hold_pickles(path: str, is_one: bool) -> None:
    assert is_pickle_path(path) is is_one
