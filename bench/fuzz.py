"""Fuzzes every reader of untrusted bytes with mutations of valid files, and checks what each costs.

    python bench/fuzz.py [--minutes 1] [--seed 1] [--target 14] [--seeds FOLDER]

Readers: GGUF with and without known array lengths, safetensors with a configuration, the Hub's answer about shards,
configurations with the packings that they describe, PyTorch archives, their pickles, NeMo, ONNX, OpenVINO, LiteRT,
Core ML (both kinds), pickles of any file as they are judged, the first bytes of any format (TensorRT's among them),
names of repos, files and references, rows of the Hub's listing with their cards, which are labelled, and Parquet
files of snapshots and histories, whose damage must be an error with the file's name; mostly their bytes are changed,
not moved. Any bytes must give a header that both databases can hold, or a HeaderError whose text can be printed,
within MAX_SECONDS of processor time; the process may grow by MAX_MEMORY_BYTES at most. Mutations write, insert and
remove bytes, cut the file, and repeat a piece of it up to a few megabytes, which finds readers whose time does not
grow with the bytes alone. An input that violates this is written to crash-<digest> in the current folder, and the
exit status is 1.

Last figures (29 Nov 2026, two processors with a load of 4 to 14): seeds 62 and 63, 30 minutes each, 146,767 and 184,475
inputs, no finding; the processes took 164 and 178 MiB. Found and fixed before: ONNX graphs of numbers of two and of
four bytes (2.5 s), pickles that were followed once for each piece that was read (4.5 s). An input that takes too long
is read again, since processor time doubles under such a load. The three targets of Parquet alone (14 to 16), seed 7, 3
minutes: 5,121 inputs, no finding; of 4,000 such files, pyarrow 26 ended its process for 11.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import compress

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from analysis.errors import HeaderError, InvalidName  # noqa: E402
from analysis.formats.array_lengths import learn_lengths  # noqa: E402
from analysis.formats.facts import MAX_FACT  # noqa: E402
from analysis.formats.gguf.reader import read_file  # noqa: E402
from analysis.formats.model_config import merge_configs  # noqa: E402
from analysis.formats.pickle_files import scan_pickle_file  # noqa: E402
from analysis.formats.readers import READERS, read_answer, read_artifact, recognize_format  # noqa: E402
from analysis.formats.signatures import detect_other_format  # noqa: E402
from analysis.formats.source import BytesSource  # noqa: E402
from analysis.labels.resolve.repo import label_repo  # noqa: E402
from analysis.names.explain import explain  # noqa: E402
from analysis.names.parse import parse_name  # noqa: E402
from analysis.text import UNPRINTABLE, escape_control_characters  # noqa: E402
from analysis.untrusted import MAX_BASE_MODELS, MAX_CONTEXT, MAX_PARAMETERS, MAX_TAGS, parse_json_text  # noqa: E402
from bench.fuzz_parquet import mutate_parquet, parquet_targets  # noqa: E402
from crawler.sources.huggingface.parse import parse_repo  # noqa: E402
from db.records import ArrayLength, ArtifactRecord, Header, RepoRecord  # noqa: E402
from tests.analysis.formats.container_files import (  # noqa: E402
    attribute,
    coreml_weights,
    dictionary,
    message,
    number,
    onnx_model,
    onnx_node,
    onnx_tensor,
    openvino,
    pickled,
    rebuilt,
    tar,
    tflite,
    torch_zip,
)
from tests.analysis.formats.gguf_file import LAYERS, Form, gguf, model  # noqa: E402
from tests.analysis.formats.safetensors_file import entries, framed  # noqa: E402

MAX_SECONDS = 2.0
"""Seconds of processor time that one input may take."""

MAX_MEMORY_BYTES = 300_000_000
"""Growth of the process, whatever it has read."""

MAX_INPUT_BYTES = 4 << 20
"""Size up to which a mutation repeats a piece of a file."""

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8,
    "num_attention_heads": 2, "num_key_value_heads": [1, 2], "max_position_embeddings": 4096, "vocab_size": 32,
    "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024},
    "layer_types": ["full_attention", "sliding_attention"], "sliding_window": 512, "num_local_experts": 8,
    "num_experts_per_tok": 2, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
    "text_config": {"num_hidden_layers": 3, "hidden_size": 9}, "lora_alpha": 16, "peft_type": "LORA", "r": 8,
    "mamba_d_state": 16, "mamba_expand": 2, "attn_layer_period": 2, "attn_layer_offset": 1,
}  # fmt: skip
ENGINES = (b"ftrt" + bytes(60), b"\x89HDF\r\n\x1a\n" + bytes(60))
"""First bytes of formats without a reader: TensorRT's engines, HDF5."""

QUANTIZATIONS: tuple[dict[str, Any], ...] = (
    {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"+:m.*": {"bits": 8}}, "modules": {"*.m*": 1}},
    {"bits": 4, "group_size": 64, "model.layers.0.m": {"bits": 8, "group_size": 32}},
    {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": 4, "group_size": 32},
     "input_activations": {"num_bits": 8}, "format": "pack-quantized"}}},
    {"quant_method": "aqlm", "num_codebooks": 1, "nbits_per_codebook": 16, "in_group_size": 8, "out_group_size": 1},
    {"quant_method": "vptq", "config_for_layers": {"model.layers.0.m": {"in_features": 8, "out_features": 8}}},
    {"quant_method": "torchao",
     "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 32}}}},
    {"quant_method": "modelopt", "quant_algo": "W4A16_AWQ"},
)  # fmt: skip
PACKED = (
    {"qweight": ("I32", (1, 8)), "scales": ("F16", (1, 8)), "qzeros": ("I32", (1, 1)), "g_idx": ("I32", (8,))},
    {"weight": ("U32", (8, 1)), "scales": ("F16", (8, 1)), "biases": ("F16", (8, 1))},
    {"weight_packed": ("I32", (8, 1)), "weight_scale": ("F16", (8, 1)), "weight_shape": ("I64", (2,))},
    {"codes": ("I16", (8, 1, 1)), "codebooks": ("F16", (1, 16, 1, 8)), "scales": ("F16", (8, 1, 1, 1))},
    {"indices": ("I32", (1, 4, 2)), "centroids.weight": ("F16", (1, 64)), "perm": ("I16", (8,))},
    {"_weight_qdata": ("U8", (8, 4)), "_weight_scale": ("F16", (8, 1))},
    {"weight": ("F8_E4M3", (8, 8)), "weight_scale_inv": ("F32", (1, 1)), "bias": ("BF16", (8,))},
    {"weight": ("U8", (32, 1)), "weight.absmax": ("U8", (1,)), "weight.quant_map": ("F32", (16,))},
    {"W_q": ("U8", (4, 8)), "scale": ("F16", (8, 1)), "zero": ("F16", (8, 1)), "meta": ("U8", (1,))},
    {"trellis": ("I16", (1, 1, 64)), "suh": ("F16", (16,)), "svh": ("F16", (16,))},
)

NAMES = (
    "google/gemma-3-4b-it-qat-q4_0-gguf", "hf.co/unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF:UD-Q4_K_XL",
    "a/b::c/d-Q4_K_M.gguf", "turboderp/Llama-3.1-70B-exl2-4.65bpw", "BF16/model-00001-of-00002.gguf",
    "https://huggingface.co/mistralai/Mixtral-8x7B-v0.1/resolve/main/model-00001-of-00019.safetensors?download=true",
    "pkg:huggingface/distilbert-base-uncased@043235d6088ecd3dd5fb5ca3592b6913fd516027",
    "lmstudio-community/Meta-Llama-3.1-8B-Instruct-GPTQ-Int4-32g",
)  # fmt: skip
CARD: dict[str, Any] = {
    "license": "other", "license_name": "gemma", "license_link": "https://ai.google.dev/gemma/terms",
    "language": ["en"], "base_model": ["google/gemma-3-4b-it"], "tags": ["gguf"],
    "base_model_relation": "quantized", "datasets": ["a/b"], "pipeline_tag": "text-generation",
    "library_name": "gguf", "quantized_by": "google",
    "model-index": [{"name": "x", "results": [{"task": {"type": "t"}, "dataset": {"type": "d", "name": "D"},
                                               "metrics": [{"type": "acc", "value": 0.5}]}]}],
}  # fmt: skip
ROWS: tuple[dict[str, Any], ...] = tuple(
    {
        "_id": f"{at:024x}", "id": name, "author": "google", "sha": "0" * 40, "createdAt": "2025-03-01T00:00:00.000Z",
        "lastModified": "2025-03-02T00:00:00.000Z", "downloads": 7, "likes": 2, "trendingScore": 0.5, "gated": "auto",
        "private": False, "tags": ["gguf", "license:gemma", "base_model:quantized:google/gemma-3-4b-it", "region:us"],
        "cardData": CARD, "config": {**CONFIG, "quantization_config": QUANTIZATIONS[at]},
        "safetensors": {"parameters": {"BF16": 10**9}, "total": 10**9},
        "gguf": {"total": 10**9, "architecture": "gemma3", "context_length": 131072, "chat_template": "{{ a }}"},
        "baseModels": {"relation": "quantized", "models": [{"_id": "0" * 24, "id": "google/gemma-3-4b-it"}]},
        "usedStorage": 10**9, "pipeline_tag": "text-generation", "library_name": "transformers",
        "evalResults": [{"dataset": {"id": "a/b", "task_id": "t"}, "value": 0.25}], "spaces": ["a/b"],
    }
    for at, name in enumerate(["google/gemma-3-4b-it-qat-q4_0-gguf", "a/Llama-3.1-8B-Instruct-MLX-4bit"])
)  # fmt: skip


# ---- the readers -----------------------------------------------------------------------------------------------------


def artifact(kind: str, size: int) -> ArtifactRecord:
    return ArtifactRecord("fuzzed", "weights", kind, ("fuzzed",), size)


def read_gguf(data: bytes, lengths: Sequence[ArrayLength] = ()) -> Header:
    source = BytesSource(data, "fuzzed")
    header, _ = read_artifact(artifact("gguf", len(data)), {}, lambda _: source, array_lengths=lengths)
    assert source.bytes_read <= 3 * len(data) + 100_000, f"{source.bytes_read:,} bytes of {len(data):,} were read"
    return header


def read_safetensors(data: bytes, config: Mapping[str, Any]) -> Header:
    source = BytesSource(data, "fuzzed")
    source.size = None  # the data that would follow is not there
    return read_artifact(artifact("safetensors", len(data)), {}, lambda _: source, config=dict(config))[0]


def read_shards(data: bytes) -> Header:
    payload = parse_json_text(data)
    return read_answer(payload if isinstance(payload, dict) else {}, artifact("safetensors", 0), {}, {})


def read_config(data: bytes, header: bytes) -> Header:
    values = parse_json_text(data)
    return read_safetensors(header, merge_configs({"config.json": values, "adapter_config.json": values}))


def read_container(kind: str, data: bytes, path: str = "fuzzed") -> Header:
    source = BytesSource(data, path)
    found = ArtifactRecord(path, "weights", kind, (path,), len(data))
    return read_artifact(found, {}, lambda _: source, config=CONFIG)[0]


def scan_file(data: bytes) -> None:
    """Judges the pickles of a file. What is kept of their imports can be stored and printed."""
    if (scan := scan_pickle_file(BytesSource(data, "fuzzed"), len(data))) is not None:
        text = json.dumps(scan.as_facts(), allow_nan=False, ensure_ascii=False)
        assert len(text) < 200_000 and text.isprintable(), f"{len(text):,} characters of imports"


def recognize(data: bytes) -> None:
    """The format that the first bytes of a file show, and what a message says of one that has no reader."""
    assert recognize_format(BytesSource(data, "fuzzed")) in (None, *READERS)
    said = detect_other_format(data[:16])
    assert said.isprintable() and len(said) < 300, f"{said!r} of a file's first bytes"


def read_name(data: bytes) -> None:
    """Parses a name and explains it. What is said of it is short, and no terminal runs it."""
    try:
        said = explain(parse_name(data.decode("utf-8", "surrogateescape"))).replace("\n", " ")
    except InvalidName as error:
        said = str(error)
    shown = escape_control_characters(said)
    assert not UNPRINTABLE.search(shown) and len(shown) < 100_000, f"{len(shown):,} characters about a name"


def read_row(data: bytes) -> None:
    """Parses a row of the listing and labels the repo, both of which a database can hold."""
    found = parse_repo(parse_json_text(data))
    if not isinstance(found, RepoRecord):
        assert found.detail.isprintable() and len(found.detail) < 1000, "a reason that is not printable"
        return
    assert len(found.tags) <= MAX_TAGS and len(found.edges) <= MAX_BASE_MODELS
    stored = [found.card, found.config, found.safetensors, found.gguf, found.extra, found.tags, found.languages]
    text = json.dumps(stored, allow_nan=False, ensure_ascii=False)
    assert text.isprintable() and len(text) < 200_000, f"{len(text):,} characters of a card"
    labels = label_repo(found).labels
    assert all(value is None or value == value for value in vars_of(labels)), "a label is not a number"


def vars_of(record: Any) -> Iterator[Any]:
    """The values of a dataclass."""
    return (getattr(record, each.name) for each in fields(record))


Read = Callable[[bytes], Header | None]


def container_targets() -> list[tuple[Read, list[bytes]]]:
    """The readers of other containers, and the pickle within a PyTorch archive."""
    tensors = {f"a.{at}.weight": rebuilt("FloatStorage", str(at), (4, 8)) for at in range(4)}
    pickles = [pickled(tensors), pickled({"state_dict": dictionary(tensors), "optimizer": dictionary(tensors)})]
    archives = [torch_zip(each, compressed=each is pickles[0]) for each in pickles]
    nodes = [onnx_node("MatMulNBits", ["x", "w", "s"], attribute("bits", number(3, 4)))]
    weights = [[onnx_tensor(name, 2, (4, 8), bytes(32), packed) for name in "wst"] for packed in (True, False)]
    graphs = [onnx_model(nodes, each) for each in weights]
    lite = [tflite([("w", 9, (16, 8), 128), ("b", 2, (8,), 32), ("x", 0, (1, 8), 0)])]
    return [
        (lambda data: read_container("pytorch", data), archives),
        (lambda data: read_container("pytorch", torch_zip(data)), pickles),
        (lambda data: read_container("nemo", data), [tar({"a.yaml": b"a: 1", "w.ckpt": each}) for each in archives]),
        (lambda data: read_container("onnx", data), graphs),
        (lambda data: read_container("tflite", data), lite),
        (lambda data: read_container("coreml", data), [coreml_weights([(1, 32), (2, 400), (11, 1000)])]),
        (
            lambda data: read_container("coreml", data, "M.mlmodel"),
            [
                number(1, 4) + message(500, message(1, message(100, message(90, message(2, bytes(144)))))),
            ],
        ),
        (scan_file, [*pickles, *archives, tar({"a.ckpt": archives[0]}), compress(pickles[0])]),
        (recognize, [*archives, *graphs, *lite, *ENGINES]),
        (lambda data: read_container("openvino", data), [openvino([("w", "u4", "4, 8"), ("w/scale", "f16", "4, 1")])]),
    ]


def check_header(header: Header) -> None:
    """Fails for a header that a database or an answer in JSON could not hold."""
    json.dumps([header.types, header.facts], allow_nan=False).encode()
    assert all(abs(number) <= MAX_FACT for number in numbers_of([header.types, header.facts])), "a number is too large"
    assert header.context is None or 0 < header.context <= MAX_CONTEXT, f"a context of {header.context}"
    assert header.parameters is None or 0 < header.parameters <= MAX_PARAMETERS, f"{header.parameters} parameters"
    assert header.size is None or 0 <= header.size < 2**63, f"{header.size} bytes"
    for text in (header.architecture, header.quant, header.quant_method):
        assert text is None or (text.isprintable() and len(text) < 300), f"{text!r} as text"


def numbers_of(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers_of(each)
    elif isinstance(value, int | float):
        yield value


def check_read(read: Read, data: bytes, memory_before: int) -> None:
    """Reads one input. Fails where it ends in another way than it may, or costs too much."""
    start = time.process_time()
    try:
        if (header := read(data)) is not None:
            check_header(header)
    except HeaderError as error:
        assert str(error).isprintable() and len(str(error)) < 600, "an error that is not printable"
    except ValueError as error:  # of parse_json_text
        assert isinstance(error, json.JSONDecodeError | UnicodeDecodeError) or "values" in str(error) or (
            "integer string" in str(error)
        ), f"{error!r}"  # fmt: skip
    took, grown = time.process_time() - start, peak_memory() - memory_before
    assert took < MAX_SECONDS, f"{took:.2f} seconds"
    assert grown < MAX_MEMORY_BYTES, f"{grown:,} bytes of memory"


def check_again(read: Read, data: bytes, memory_before: int) -> None:
    """Reads one input up to three times: processor time varies twofold on a machine that does other work."""
    for last in (False, False, True):
        try:
            return check_read(read, data, memory_before)
        except AssertionError as error:
            if last or "seconds" not in str(error):
                raise


def peak_memory() -> int:
    """The largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# ---- seeds and mutations ---------------------------------------------------------------------------------------------


def gguf_seeds() -> list[bytes]:
    found = [
        gguf(model(40, merges=30, more={"a.words": ["x"], "a.list": [1, 2]}), LAYERS, Form(version, order))[:4000]
        for version in (1, 2, 3)
        for order in "<>"
    ]
    return [*found, gguf(model(1100, merges=1100), LAYERS)[:60_000]]


def safetensors_seeds() -> list[bytes]:
    plain = {"model.embed_tokens.weight": ("BF16", (32, 8)), "lm_head.weight": ("BF16", (32, 8))}
    layers = [{f"model.layers.{at}.m.{leaf}": tensor for leaf, tensor in leaves.items()} for at in (0, 1)
              for leaves in PACKED]  # fmt: skip
    return [framed(json.dumps(entries({**plain, **layer}, {"format": "pt"})).encode()) for layer in layers]


def make_targets(folder: Path | None) -> list[tuple[Read, list[bytes]]]:
    """Each reader, with the inputs that it starts from."""
    ggufs, tensors = gguf_seeds(), safetensors_seeds()
    lengths = learn_lengths(read_file(BytesSource(gguf(model(1100, merges=1100), LAYERS))).runs)
    configs = [{**CONFIG, "quantization_config": block} for block in QUANTIZATIONS]
    answers = [json.dumps({"headers": {"fuzzed": json.loads(each[8:])}}).encode() for each in tensors]
    more = [path.read_bytes()[:100_000] for path in sorted(folder.rglob("*")) if path.is_file()] if folder else []
    chance = random.Random(0)
    return [
        (read_gguf, ggufs + more),
        (lambda data: read_gguf(data, lengths), ggufs),
        (lambda data: read_safetensors(data, chance.choice(configs)), tensors + more),
        (read_shards, answers),
        *container_targets(),
        *parquet_targets(),
        (read_name, [name.encode() for name in NAMES]),
        (read_row, [json.dumps(row).encode() for row in ROWS]),
        (lambda data: read_config(data, chance.choice(tensors)), [json.dumps(each).encode() for each in configs]),
    ]


PIECES = (
    b"\xff" * 8, bytes(8), bytes(7) + b"\x80", b'"', b"\\", b'\\"', b"[", b"]", b"{", b"}", b",", b":", b'"a":', b"[],",
    b'{"":1},', b"1e999", b"-1", b"NaN", b"9" * 30, b"9" * 5000, b"\\ud800", "\u2028😀".encode(), b"true", b"null",
    b'"data_offsets":[0,4]', b"+", b"*", b".",
)  # fmt: skip


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The data with one to eight changes; of a safetensors file mostly with the length that it then has."""
    if data[:4] == b"PAR1" and chance.random() < 0.9:
        return mutate_parquet(data, chance)
    raw = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(min(len(raw), chance.choice((40, 600, len(raw)))) or 1)
        piece = chance.choice((chance.randbytes(chance.randint(1, 9)), chance.choice(PIECES)))
        match chance.randrange(24):
            case 0:
                del raw[at + 1 :]
            case 1:
                taken = bytes(raw[at : at + chance.choice((1, 2, 5, 20, 100, 500))]) or piece
                raw[at:at] = taken * (chance.choice((30, 1000, 50_000, MAX_INPUT_BYTES)) // len(taken))
            case 2:
                raw[at:at] = piece * (chance.choice((30, 1000, 50_000, MAX_INPUT_BYTES)) // len(piece))
            case 3 | 4 | 5 | 6 | 7:
                raw[at:at] = piece
            case 8 | 9 | 10 | 11 | 12:
                del raw[at : at + chance.randint(1, 9)]
            case _:
                raw[at : at + len(piece)] = piece
        del raw[3 * MAX_INPUT_BYTES :]
    if data[8:9] == b"{" and chance.random() < 0.9:
        raw[:8] = struct.pack("<Q", max(0, len(raw) - 8))
    return bytes(raw)


def fuzz(minutes: float, seed: int, folder: Path | None, chosen: Sequence[int] | None = None) -> int:
    """Reads mutations of all seeds for a time; returns their number. A finding is written to a file, then raised."""
    chance, count, targets = random.Random(seed), 0, make_targets(folder)
    if chosen:
        targets = [targets[each] for each in chosen]
    for read, corpus in targets:
        for data in corpus:
            check_read(read, data, peak_memory())
    ends, memory_before = time.monotonic() + 60 * minutes, peak_memory()
    while time.monotonic() < ends:
        read, corpus = chance.choice(targets)
        data = mutate(chance.choice(corpus), chance)
        try:
            check_again(read, data, memory_before)
        except Exception:
            name = f"crash-{sha256(data).hexdigest()[:12]}"
            Path(name).write_bytes(data)
            print(f"written to {name}, read by target {[each for each, _ in targets].index(read)}", flush=True)
            raise
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", type=int, action="append", help="number of a target, instead of all; repeatable")
    parser.add_argument("--seeds", type=Path, help="folder of further files to start from")
    options = parser.parse_args()
    count = fuzz(options.minutes, options.seed, options.seeds, options.target)
    grown = peak_memory() >> 20
    print(f"{count:,} inputs in {options.minutes:g} minutes: no finding; the process took {grown} MiB at most")


if __name__ == "__main__":
    main()
