"""`hf-catalog header`: local files, URLs and repos; text and JSON; and files that can't be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.formats.array_lengths import learn_lengths
from analysis.formats.gguf.reader import read_file
from analysis.formats.source import BytesSource
from crawler.cli import cli, errors, learned_lengths
from db.records import ArrayLength
from db.write.store import Store
from samplehub import SampleHub
from tests.analysis.formats.container_files import (
    coreml_weights,
    onnx_model,
    onnx_tensor,
    openvino,
    pickled,
    rebuilt,
    torch_zip,
)
from tests.analysis.formats.gguf_file import LAYERS, Tensor, Typed, gguf, model, q4
from tests.crawler.ranged import Flaw, serving
from tests.db.made import enrichment, page

KEYS = [
    "format", "version", "architecture", "parameters", "active_parameters", "tensor_count", "types", "quant",
    "bits_per_weight", "context", "size", "size_verified", "requests", "bytes_read", "facts",
]  # fmt: skip
DATA = gguf(model(20_000, more={"general.file_type": 15}), LAYERS)


class Ran:
    """What a run of the command left behind."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_CATALOG_CACHE", str(tmp_path / "cache"))

    def command(*arguments: str | Path) -> Ran:
        words = ["header", *map(str, arguments)]
        status = errors.run_command(lambda: cli.main(words, prog_name="hf-catalog", standalone_mode=False), words)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(status, captured.out, captured.err)

    return command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Small-Q4_K_M.gguf"
    path.write_bytes(DATA)
    return path


# ---- here ----


def test_one_object_for_programs(run: Any, file: Path) -> None:
    found = run(file, "--json")
    assert list(found.json) == KEYS
    assert (found.json["quant"], found.json["parameters"], found.json["size_verified"]) == ("Q4_K_M", 964_864, True)
    assert set(found.json["facts"]["signals"]) == {"size", "documentation", "framework", "performance"}
    assert found.json["facts"]["signals"]["size"]["quantized"] is True


def test_the_memory_at_a_context(run: Any, file: Path) -> None:
    """Two layers of 2 x (32 + 32) elements: 8 heads of the model's 256, of which 2 keep keys and values."""
    found = run(file, "--json", "--context", 1000).json
    assert list(found) == [*KEYS, "kv_cache_bytes", "memory_bytes"]
    assert found["kv_cache_bytes"] == 2 * 2 * (32 + 32) * 2 * 1024
    assert found["memory_bytes"] > found["kv_cache_bytes"] + found["size"]
    assert "at 1,000 tokens, 0.524 MB of it" in run(file, "--context", 1000).out


def test_the_memory_of_an_architecture_that_is_not_known(run: Any, tmp_path: Path) -> None:
    keys = {key.replace("llama.", "tomorrow."): value for key, value in model(20).items()}
    path = tmp_path / "Small-Q4_K_M.gguf"
    path.write_bytes(gguf({**keys, "general.architecture": "tomorrow"}, LAYERS))
    found = run(path, "--json", "--context", 1000).json
    assert (found["kv_cache_bytes"], found["memory_bytes"]) == (None, None)
    assert "'tomorrow'" in found["memory_unknown"]
    assert "unknown: what the layers" in run(path, "--context", 1000).out
    assert run(path, "--context", 0).status == 2


def test_the_containers_of_other_programs(run: Any, tmp_path: Path) -> None:
    """By their extension, whatever else the folder holds; of a folder the largest."""
    weights = {"a.weight": rebuilt("HalfStorage", "0", (4, 8))}
    (tmp_path / "pytorch_model.bin").write_bytes(torch_zip(pickled(weights)))
    (tmp_path / "model.onnx").write_bytes(onnx_model([], [onnx_tensor("w", 1, (2, 3), None)]))
    (tmp_path / "model.onnx_data").write_bytes(bytes(24))
    found = run(tmp_path / "model.onnx", "--json").json
    assert (found["format"], found["parameters"], found["quant"]) == ("onnx", 6, "F32")
    (tmp_path / "openvino_model.xml").write_bytes(openvino([("w", "i8", "3, 3")]))
    (tmp_path / "openvino_model.bin").write_bytes(bytes(9))
    found = run(tmp_path / "openvino_model.xml", "--json").json
    assert (found["format"], found["parameters"], found["quant"]) == ("openvino", 9, "INT8")
    found = run(tmp_path, "--json").json
    assert (found["format"], found["parameters"], found["quant"]) == ("pytorch", 32, "F16")


def test_a_core_ml_package_is_read_whole_or_by_its_weights(run: Any, tmp_path: Path) -> None:
    weights = tmp_path / "M.mlpackage" / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(coreml_weights([(1, 32), (11, 100)]))
    for target in (tmp_path / "M.mlpackage", weights):
        found = run(target, "--json").json
        assert (found["format"], found["parameters"], found["quant"]) == ("coreml", 16 + 200, "INT4")


def test_a_file_of_another_format_is_named(run: Any, tmp_path: Path) -> None:
    (tmp_path / "model.mlmodel").write_bytes(b"\x08\x06" + bytes(50))
    (tmp_path / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    (tmp_path / "model.rkllm").write_bytes(bytes(50))
    ran = run(tmp_path / "model.rkllm")
    assert ran.status == 1 and "its format is rkllm" in ran.err
    (tmp_path / "model.engine").write_bytes(b"ftrt" + bytes(50))
    ran = run(tmp_path / "model.engine")
    assert ran.status == 1 and "a config.json of TensorRT-LLM beside the engine" in ran.err
    ran = run(tmp_path / "model.mlmodel")
    assert ran.status == 1 and "Core ML" in ran.err
    ran = run(tmp_path / "old.pt")
    assert ran.status == 1 and "convert it to safetensors" in ran.err


def test_a_page_for_people(run: Any, file: Path) -> None:
    out = run(file).out
    for text in (
        "Small-Q4_K_M.gguf",
        "964,864 in 4 tensors",
        "Q4_K_M, which holds 100 % of the parameters",
        "4,096 tokens",
        "llama, 20,000 tokens",
        "Q4_K  ████████████████████████  100.0 %",
        "F32   ▏",
        "is it quantized?  yes",
        "llama.cpp",
        "which its files have",
        "all of them",
    ):
        assert text in out, f"{text!r} is not in\n{out}"


def test_all_shards_of_a_file_here(run: Any, tmp_path: Path) -> None:
    parts = {"split.count": Typed("u16", 2), "split.tensors.count": Typed("i32", 2)}
    first = gguf({**parts, **model()}, [q4("blk.0.a.weight", 100)])
    (tmp_path / "m-Q4_K_M-00001-of-00002.gguf").write_bytes(first)
    (tmp_path / "m-Q4_K_M-00002-of-00002.gguf").write_bytes(gguf(parts, [q4("blk.1.a.weight", 100)]))
    found = run("m-Q4_K_M-00002-of-00002.gguf", "--json").json
    assert (found["parameters"], found["size_verified"]) == (51_200, True)
    assert found["facts"]["split"]["complete"] is True
    assert run(tmp_path, "--json").json["parameters"] == 51_200


def test_a_shard_that_is_alone_says_so(run: Any, tmp_path: Path) -> None:
    parts = {"split.count": Typed("u16", 2), "split.tensors.count": Typed("i32", 2)}
    path = tmp_path / "m-Q4_K_M-00001-of-00002.gguf"
    path.write_bytes(gguf({**parts, **model()}, [q4("blk.0.a.weight", 100)]))
    assert "1 of 2 files, so not all of it" in run(path).out


def test_control_characters_of_a_file_do_not_reach_the_terminal(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf({"general.architecture": "llama\x1b[2J", "general.name": "\x1b]0;x\x07\u202eevil"}, LAYERS))
    for out in (run(path).out, run(path, "--json").out):
        assert not any(letter in out for letter in "\x1b\x07\u202e")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<html>not a model</html>" * 9, "a web page"),
        (DATA[:500], "the end of the file"),
    ],
)
def test_an_invalid_file_gives_an_error_of_two_lines(run: Any, tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    found = run(path, "--json")
    assert (found.status, found.out) == (1, "")
    lines = found.err.splitlines()
    assert (len(lines), lines[0].startswith("Error: bad.gguf: byte "), lines[1].startswith("Hint: ")) == (2, True, True)
    assert message in lines[0]


def test_a_file_that_is_not_there(run: Any) -> None:
    found = run("missing.gguf")
    assert found.status == 1
    assert "missing.gguf: is neither a local file nor a URL nor a repo" in found.err


# ---- by URL ----


def test_a_file_behind_a_url_costs_little(run: Any) -> None:
    with serving({"Small-Q4_K_M.gguf": DATA}) as web:
        found = run(f"{web.url}/Small-Q4_K_M.gguf", "--json").json
    assert (found["quant"], found["size_verified"], found["size"]) == ("Q4_K_M", True, len(DATA))
    assert (found["requests"], found["bytes_read"]) == (len(web.asked), web.sent)
    assert web.sent < len(DATA) - 2 * 80_000


def test_a_known_tokenizer_is_jumped(run: Any, tmp_path: Path) -> None:
    db = tmp_path / "known.db"
    layouts = learn_lengths(read_file(BytesSource(DATA)).runs)
    with Store.open(db, create=True) as store, store.crawling():
        started = store.start_run("full", "", "http://hub")
        store.save_page(started, "", page([1]))
        (wanted,) = store.claim(1, "headers")
        store.save_enrichments(started, [(enrichment(1, layouts=layouts), wanted.lease)])
    with serving({"m-Q4_K_M.gguf": DATA}) as web:
        found = run(f"{web.url}/m-Q4_K_M.gguf", "--json", "--db", db).json
    assert (found["requests"], len(web.asked)) == (2, 2)
    assert web.sent < 32_768
    assert found["parameters"] == 964_864


def test_a_tokenizer_that_was_read_once_is_jumped(run: Any, tmp_path: Path) -> None:
    """Also by another process, and where the file that keeps it has other lines or can't be written."""
    read = []
    kept = tmp_path / "cache" / "tokenizers.tsv"
    with serving({"m-Q4_K_M.gguf": DATA}) as web:
        for _ in range(2):
            read.append(run(f"{web.url}/m-Q4_K_M.gguf", "--json").json)
        lines = kept.read_text("ascii")
        kept.write_text("\x1b[31m\t1\n" + lines, "ascii")
        read.append(run(f"{web.url}/m-Q4_K_M.gguf", "--json").json)
        kept.write_bytes(b"\xff" + lines.encode())
        read.append(run(f"{web.url}/m-Q4_K_M.gguf", "--json").json)
        kept.unlink()
        kept.mkdir()
        read.append(run(f"{web.url}/m-Q4_K_M.gguf", "--json").json)
    whole = len(DATA) - 2 * 80_000
    assert [found["bytes_read"] < 32_768 for found in read] == [False, True, True, False, False]
    assert read[0]["bytes_read"] < whole and {found["parameters"] for found in read} == {964_864}


def test_the_latest_lengths_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_lengths, "MAX_LENGTHS", 2)
    each = [ArrayLength("tokenizer.ggml.tokens", count, f"{count:032x}", 10 * count) for count in (1, 2, 3)]
    for one in each:
        learned_lengths.keep_lengths([one], tmp_path)
    assert learned_lengths.load_lengths(tmp_path) == tuple(each[1:])
    monkeypatch.setattr(learned_lengths, "MAX_FILE_BYTES", 10)
    assert learned_lengths.load_lengths(tmp_path) == ()


def test_a_catalog_that_was_asked_for_must_be_there(run: Any, file: Path) -> None:
    assert run(file, "--db", "none.db").status == errors.CATALOG


@pytest.mark.parametrize(
    ("flaw", "status"),
    [("ignores Range", 0), ("short bodies", 1), ("lies in Content-Range", 1), ("gone", 1)],
)
def test_a_broken_server_costs_little(run: Any, flaw: Flaw, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.sources.huggingface.transport.Transport.retry_delay", lambda *_: 0.0)
    with serving({"m-Q4_K_M.gguf": DATA}, flaw) as web:
        found = run(f"{web.url}/m-Q4_K_M.gguf", "--json")
    assert found.status == status, found.err
    assert len(web.asked) <= 12


def test_a_server_that_ignores_range_is_given_up(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.sources.huggingface.range_reader.MAX_UNREQUESTED_BYTES", 100_000)
    with serving({"m-Q4_K_M.gguf": DATA}, "ignores Range") as web:
        found = run(f"{web.url}/m-Q4_K_M.gguf")
    assert (found.status, len(web.asked)) == (1, 3)
    assert "its server ignores ranges" in found.err


def test_no_token_is_sent_to_another_server(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving({"m-Q4_K_M.gguf": DATA}) as web:
        assert run(f"{web.url}/m-Q4_K_M.gguf", "-q").out == "Q4_K_M\n"
    assert web.asked
    assert not any("hf_secret" in value for headers in web.headers for value in headers.values())


# ---- in a repo ----


@pytest.fixture(scope="module")
def hub() -> Any:
    with SampleHub() as hub:
        yield hub


def test_a_repo_of_the_hub(run: Any, hub: SampleHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_sample_member")
    repo = "google/gemma-3-4b-it-qat-q4_0-gguf"
    found = run(repo, "--json").json
    assert (found["format"], found["architecture"], found["quant"]) == ("gguf", "gemma3", "Q4_0")
    assert found["size_verified"] is True
    again = run(f"{repo}::gemma-3-4b-it-q4_0.gguf", "--json").json
    assert again["parameters"] == found["parameters"]
    for reference in (f"hf.co/{repo}:Q4_0", f"https://huggingface.co/{repo}", f"ollama run hf.co/{repo}:latest"):
        assert run(reference, "--json").json["parameters"] == found["parameters"]
    assert "Invalid rev id" in run(f"pkg:huggingface/{repo}@0123abc", "--json").err
    by_url = run(f"{hub.endpoint}/{repo}/resolve/main/gemma-3-4b-it-q4_0.gguf", "--json").json
    assert by_url["parameters"] == found["parameters"]


def test_a_repo_whose_files_need_access(run: Any, hub: SampleHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    found = run("google/gemma-3-4b-it-qat-q4_0-gguf")
    assert found.status == 1
    assert "gated" in found.err
    assert "request access on its page" in found.err


@pytest.mark.parametrize("target", ["no/such", "google/gemma-3-4b-it-qat-q4_0-gguf::nothing.gguf"])
def test_what_the_hub_does_not_hold(run: Any, hub: SampleHub, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    found = run(target)
    assert (found.status, len(found.err.splitlines())) == (1, 2)


def test_a_hub_that_is_not_there(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("crawler.sources.huggingface.transport.Transport.retry_delay", lambda *_: 0.0)
    assert run("owner/name").status == errors.HUB


def test_bars_of_many_types(run: Any, tmp_path: Path) -> None:
    tensors = [Tensor(f"blk.0.{kind}", (256, 4), 4711 + kind, 640) for kind in range(12)] + [q4("blk.1.a", 100)]
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf({"general.architecture": "x"}, tensors))
    out = run(path).out
    assert "6 others" in out
    assert out.count("▏") + out.count("█") > 0
