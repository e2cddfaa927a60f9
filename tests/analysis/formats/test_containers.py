"""Containers beside GGUF and safetensors: PyTorch archives, NeMo, ONNX and LiteRT, and what is refused of them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import HeaderBeyondLimits, HeaderError, HeaderMalformed, NotThisFormat, OlderPickle
from analysis.formats import limits
from analysis.formats.readers import READERS, has_reader, is_crawled, read_artifact, recognize_format
from analysis.formats.source import BytesSource
from db.records import ArtifactRecord, Header
from tests.analysis.formats.container_files import (
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
    text,
    tflite,
    torch_zip,
    varint,
)

F32, U8, I8, I64, F16 = 1, 2, 3, 7, 10


def read(kind: str, files: Mapping[str, bytes], config: dict[str, Any] | None = None) -> Header:
    paths = tuple(files)
    artifact = ArtifactRecord(paths[0], "weights", kind, paths, None)
    sizes = {path: len(data) for path, data in files.items()}
    found, learned = read_artifact(artifact, sizes, lambda path: BytesSource(files[path], path), config=config or {})
    assert learned == () and found.format == kind
    return found


# ---- PyTorch --------------------------------------------------------------------------------------------------------

LINEAR = {"a.weight": rebuilt("FloatStorage", "0", (4, 8)), "a.bias": rebuilt("FloatStorage", "1", (4,))}


@pytest.mark.parametrize("compressed", [False, True])
def test_a_pytorch_archive_is_counted_without_unpickling(compressed: bool) -> None:
    found = read("pytorch", {"m.bin": torch_zip(pickled(LINEAR), compressed=compressed)})
    assert (found.parameters, found.tensor_count, found.types) == (36, 2, {"F32": 36})
    assert (found.quant, found.bits_per_weight) == ("F32", 32.0)


def test_tied_weights_are_one_storage() -> None:
    half = {
        "wte.weight": rebuilt("HalfStorage", "0", (10, 8)), "lm_head.weight": rebuilt("HalfStorage", "0", (10, 8)),
        "part": rebuilt("HalfStorage", "0", (10, 8), offset=4),
    }  # fmt: skip
    found = read("pytorch", {"m.bin": torch_zip(pickled(half))})
    assert (found.parameters, found.tensor_count, found.quant) == (160, 2, "F16")


def test_the_state_of_a_training_is_no_parameter() -> None:
    moments = dictionary({"exp_avg": rebuilt("FloatStorage", "7", (4, 8))})
    checkpoint = {"state_dict": dictionary(LINEAR), "optimizer_states": moments, "epoch": b"K\x05"}
    assert read("pytorch", {"last.ckpt": torch_zip(pickled(checkpoint))}).parameters == 36


def test_shards_and_the_configuration_belong_together() -> None:
    config = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2,
              "max_position_embeddings": 512}  # fmt: skip
    files = {"a-00001-of-00002.bin": torch_zip(pickled(LINEAR)),
             "a-00002-of-00002.bin": torch_zip(pickled({"b": rebuilt("BFloat16Storage", "0", (64,))}))}  # fmt: skip
    found = read("pytorch", files, config)
    assert (found.parameters, found.context, found.architecture) == (100, 512, "llama")
    assert found.size == sum(map(len, files.values()))


def test_packed_weights_are_counted_by_what_they_stand_for() -> None:
    packed = {"q.qweight": rebuilt("IntStorage", "0", (32, 64)), "q.scales": rebuilt("HalfStorage", "1", (2, 64)),
              "q.qzeros": rebuilt("IntStorage", "2", (2, 8))}  # fmt: skip
    found = read("pytorch", {"m.pt": torch_zip(pickled(packed))})
    assert (found.parameters, found.quant) == (256 * 64, "GPTQ")


class Evil:
    def __reduce__(self) -> Any:
        return pytest.fail, ("it was called",)


def test_nothing_is_called() -> None:
    """A call of any function gives a value without tensors."""
    evil = pickle.dumps({"a": Evil(), "w": 1}, protocol=2)
    with pytest.raises(HeaderMalformed, match="tensors"):
        read("pytorch", {"m.bin": torch_zip(evil)})


BAD_PYTORCH: dict[str, tuple[type[HeaderError], bytes]] = {
    "an older pickle": (OlderPickle, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."),
    "a web page": (NotThisFormat, b"<html>" + bytes(40)),
    "a zip without its end": (HeaderMalformed, torch_zip(pickled(LINEAR))[:-22]),
    "no data.pkl": (HeaderMalformed, torch_zip(pickled(LINEAR), "archive/other.pkl")),
    "no tensors": (HeaderMalformed, torch_zip(pickled({}))),
    "no end": (HeaderMalformed, torch_zip(pickled(LINEAR)[:-1])),
    "an empty stack": (HeaderMalformed, torch_zip(b"\x80\x02uuuu.")),
    "a memo that is not there": (HeaderMalformed, torch_zip(b"\x80\x02h\x05.")),
    "a shape that overflows": (
        HeaderBeyondLimits, torch_zip(pickled({"w": rebuilt("FloatStorage", "0", (2**30, 2**30))})),
    ),
    "many dimensions": (HeaderBeyondLimits, torch_zip(pickled({"w": rebuilt("FloatStorage", "0", (1,) * 99)}))),
    "a number of many digits": (HeaderMalformed, torch_zip(b"\x80\x02I" + b"9" * 9000 + b"\n.")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PYTORCH)
def test_what_is_no_pytorch_archive_is_refused(name: str) -> None:
    error, data = BAD_PYTORCH[name]
    with pytest.raises(error, match=r"m\.bin"):
        read("pytorch", {"m.bin": data})


def test_depth_costs_nothing() -> None:
    """100,000 lists within each other, and one that holds itself."""
    deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    own = b"\x80\x02]q\x00h\x00a."
    for data in (deep, own):
        with pytest.raises(HeaderMalformed, match="tensors"):
            read("pytorch", {"m.bin": torch_zip(data)})


def test_too_many_opcodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CONTAINER_STEPS", 1000)
    with pytest.raises(HeaderBeyondLimits, match="1,000 parts"):
        read("pytorch", {"m.bin": torch_zip(b"\x80\x02" + b"N0" * 1000 + b"N.")})


@pytest.mark.parametrize(("length", "fits"), [(2, True), (3, True), (4, False)])
def test_long_numbers_count_as_several_parts(length: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """320 numbers and their tags: two parts each, and one more for each byte beyond two of the number."""
    monkeypatch.setattr(limits, "MAX_CONTAINER_STEPS", 1000)
    data = number(1, 8) + message(7, number(15, 1 << 7 * (length - 1)) * 320 + onnx_tensor("", 9, ()))
    with pytest.raises(HeaderMalformed if fits else HeaderBeyondLimits, match="tensor" if fits else "1,000 parts"):
        read("onnx", {"m.onnx": data})


def test_a_compressed_pickle_may_not_grow_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PICKLE_BYTES", 5000)
    with pytest.raises(HeaderBeyondLimits, match="5,000"):
        read("pytorch", {"m.bin": torch_zip(pickled({"a": text("x" * 90_000)}), compressed=True)})


# ---- NeMo -----------------------------------------------------------------------------------------------------------


def test_a_nemo_archive_holds_a_pytorch_archive() -> None:
    data = tar({"./model_config.yaml": b"a: 1\n" * 300, "./model_weights.ckpt": torch_zip(pickled(LINEAR))})
    found = read("nemo", {"m.nemo": data})
    assert (found.parameters, found.size) == (36, len(data))


@pytest.mark.parametrize("data", [tar({"model_config.yaml": b"a: 1"}), b"\x1f\x8b" + bytes(600), b"", bytes(100)])
def test_what_is_no_nemo_archive_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderMalformed, match="NeMo"):
        read("nemo", {"m.nemo": data})


# ---- ONNX -----------------------------------------------------------------------------------------------------------


def test_an_onnx_model_is_counted_by_its_initializers() -> None:
    tensors = [
        onnx_tensor("w", F32, (4, 8), bytes(128)), onnx_tensor("h", F16, (6,), bytes(12), packed=True),
        onnx_tensor("shape", I64, (2,), bytes(16)),
    ]  # fmt: skip
    found = read("onnx", {"m.onnx": onnx_model([onnx_node("MatMul", ["x", "w"])], tensors)})
    assert (found.parameters, found.tensor_count) == (38, 3)
    assert found.types == {"F32": 32, "F16": 6, "I64": 2}
    assert (found.quant, found.quant_method, found.bits_per_weight) == ("F32", None, 8 * (128 + 12) / 38)
    assert found.facts["producer"] == "pytorch"


def test_external_data_are_counted_without_being_there() -> None:
    model = onnx_model([], [onnx_tensor("w", F16, (1000, 1000), None)])
    found = read("onnx", {"m.onnx": model, "m.onnx_data": bytes(10)})
    assert (found.parameters, found.quant, found.bytes_read) == (1_000_000, "F16", len(model))


def test_scales_and_zero_points_are_no_parameters() -> None:
    tensors = [onnx_tensor("w", I8, (8, 8), bytes(64)), onnx_tensor("s", F32, (8,), bytes(32)),
               onnx_tensor("z", I8, (8,), bytes(8))]  # fmt: skip
    found = read("onnx", {"m.onnx": onnx_model([onnx_node("DequantizeLinear", ["w", "s", "z"])], tensors)})
    assert (found.parameters, found.quant, found.quant_method) == (64, "INT8", "onnx")


@pytest.mark.parametrize(("bits", "weights"), [(4, 512), (8, 256), (2, 1024)])
def test_packed_weights_of_matmulnbits(bits: int, weights: int) -> None:
    node = onnx_node("MatMulNBits", ["x", "w", "s"], attribute("bits", number(3, bits)))
    tensors = [onnx_tensor("w", U8, (8, 2, 16), bytes(256)), onnx_tensor("s", F32, (16,), bytes(64))]
    found = read("onnx", {"m.onnx": onnx_model([node], tensors)})
    assert (found.parameters, found.quant) == (weights, {4: "INT4", 8: "UINT8", 2: "INT2"}[bits])


def test_constants_and_the_branches_of_nodes_are_read() -> None:
    inner = message(5, onnx_tensor("in_branch", F32, (3,), bytes(12)))
    branch = onnx_node("If", ["c"], attribute("then_branch", message(6, inner)))
    constant = onnx_node("Constant", [], attribute("value", message(5, onnx_tensor("", F32, (5,), bytes(20)))), ["k"])
    found = read("onnx", {"m.onnx": onnx_model([branch, constant], [])})
    assert (found.parameters, found.tensor_count) == (8, 2)


def nested_graphs(depth: int) -> bytes:
    graph = message(5, onnx_tensor("w", F32, (1,), bytes(4)))
    for _ in range(depth):
        graph = message(1, onnx_node("If", [], attribute("then_branch", message(6, graph))))
    return number(1, 8) + message(7, graph)


BAD_ONNX: dict[str, tuple[type[HeaderError], bytes]] = {
    "zeros in the graph": (HeaderMalformed, number(1, 8) + message(7, message(2, b"graph") + bytes(9))),
    "no graph": (HeaderMalformed, number(1, 8) + message(2, b"pytorch")),
    "no tensors": (HeaderMalformed, onnx_model([], [])),
    "a length beyond the file": (HeaderMalformed, number(1, 8) + varint(58) + varint(5000)),
    "a number without end": (HeaderMalformed, b"\x08" + b"\xff" * 30),
    "a shape that overflows": (HeaderBeyondLimits, onnx_model([], [onnx_tensor("w", F32, (2**40, 2**40))])),
    "many dimensions": (HeaderBeyondLimits, onnx_model([], [onnx_tensor("w", F32, (1,) * 50)])),
    "graphs in graphs": (HeaderBeyondLimits, nested_graphs(6)),
    "nothing": (HeaderMalformed, b""),
}


@pytest.mark.parametrize("name", BAD_ONNX)
def test_what_is_no_onnx_model_is_refused(name: str) -> None:
    error, data = BAD_ONNX[name]
    with pytest.raises(error, match=r"m\.onnx"):
        read("onnx", {"m.onnx": data})


# ---- LiteRT ---------------------------------------------------------------------------------------------------------


def test_a_litert_model_is_counted_by_its_constants() -> None:
    data = tflite([("w", 9, (16, 8), 128), ("bias", 2, (8,), 32), ("computed", 0, (1, 8), 0), ("f", 0, (4,), 16)])
    found = read("tflite", {"m.tflite": data})
    assert (found.parameters, found.tensor_count, found.types) == (132, 3, {"I8": 128, "I32": 8, "F32": 4})
    assert (found.quant, found.quant_method) == ("INT8", "tflite")


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (HeaderMalformed, b"\x1c\x00\x00\x00TFL3" + bytes(200)),
        (HeaderMalformed, b"\xff\xff\xff\x7fTFL3" + bytes(200)),
        (HeaderMalformed, tflite([("computed", 0, (4,), 0)])),
        (HeaderMalformed, tflite([("w", 0, (4,), 8)])),
        (HeaderBeyondLimits, tflite([("w", 9, (2**30, 2**30), 8)])),
        (HeaderBeyondLimits, tflite([("w", 9, (1,) * 20, 8)])),
        (NotThisFormat, b"PK\x03\x04" + bytes(40)),
        (NotThisFormat, b""),
    ],
)
def test_what_is_no_litert_model_is_refused(error: type[HeaderError], data: bytes) -> None:
    with pytest.raises(error, match=r"m\.tflite"):
        read("tflite", {"m.tflite": data})


# ---- OpenVINO -------------------------------------------------------------------------------------------------------


def test_an_openvino_model_is_counted_by_its_constants() -> None:
    constants = [
        ("l.weight", "u4", "64, 32"), ("l.weight/scale", "f16", "64, 1"), ("l.weight/zero_point", "u4", "64, 1"),
        ("bias", "f16", "64"), ("shape", "i64", "4"), ("scalar", "f32", ""),
    ]  # fmt: skip
    xml = openvino(constants)
    found = read("openvino", {"m.xml": xml, "m.bin": bytes(10)})
    assert (found.parameters, found.tensor_count, found.quant) == (64 * 32 + 64 + 1, 6, "INT4")
    assert found.types["I64"] == 4 and found.quant_method == "openvino"


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (NotThisFormat, b"<html><body></body></html>"),
        (HeaderMalformed, openvino([])),
        (HeaderMalformed, openvino([("w", "f32", "4, x")])),
        (HeaderBeyondLimits, openvino([("w", "f32", "9999999999, 9999999999")])),
        (HeaderBeyondLimits, openvino([("w", "f32", "1, " * 40)])),
        (NotThisFormat, b'<!DOCTYPE n [<!ENTITY a "&b;&b;">]><n>&a;</n>'),
    ],
)
def test_what_is_no_openvino_model_is_refused(error: type[HeaderError], data: bytes) -> None:
    with pytest.raises(error, match=r"m\.xml"):
        read("openvino", {"m.xml": data})


def test_xml_that_is_made_to_be_slow_is_read_once() -> None:
    """Attributes without end, and layers that never close."""
    for piece in (b"<layer ", b"<layer a", b'name="', b"<layer><data ", b" "):
        with pytest.raises(HeaderMalformed):
            read("openvino", {"m.xml": b"<net>" + piece * 200_000})


# ---- Core ML --------------------------------------------------------------------------------------------------------

PACKAGE = "M.mlpackage/Data/com.apple.CoreML"


def test_a_core_ml_package_is_counted_by_the_blobs_of_its_weights() -> None:
    """Indices of 4 bits of a palette of 16 halves, a bias of floats: 3 bits of the last byte are padding."""
    weights = coreml_weights([(1, 32), (2, 400), (11, 1000)])
    files = {"Manifest.json": b"{}", "model.mlmodel": b"", "weights/weight.bin": weights}
    found = read("coreml", {f"{PACKAGE}/{path}": data for path, data in files.items()})
    assert (found.parameters, found.tensor_count, found.quant) == (16 + 100 + 2000, 3, "INT4")
    assert found.types == {"U4": 2000, "F32": 100, "F16": 16}
    odd = read("coreml", {"weight.bin": coreml_weights([(12, 3)], padding=3)})
    assert (odd.parameters, odd.quant, odd.bits_per_weight) == (7, "INT3", 24 / 7)


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (NotThisFormat, b"\x08\x06" + bytes(100)),
        (NotThisFormat, coreml_weights([(1, 32)], version=1)),
        (HeaderMalformed, coreml_weights([(99, 32)])),
        (HeaderMalformed, coreml_weights([(1, 32)])[:64] + bytes(128)),
        (HeaderMalformed, coreml_weights([(1, 1000)])[:256]),
        (HeaderMalformed, coreml_weights([])),
        (HeaderMalformed, b"\xff\xff\xff\xff" + coreml_weights([(1, 32)])[4:]),
    ],
)
def test_what_holds_no_core_ml_weights_is_refused(error: type[HeaderError], data: bytes) -> None:
    with pytest.raises(error, match=r"weight\.bin"):
        read("coreml", {"weight.bin": data})


def test_the_weights_of_a_core_ml_package_are_recognized_and_the_whole_package_has_a_reader() -> None:
    assert recognize_format(BytesSource(coreml_weights([(1, 32)]))) == "coreml"
    paths = ("M.mlpackage/Manifest.json", f"{PACKAGE}/weights/weight.bin")
    assert has_reader(ArtifactRecord("M.mlpackage", "weights", "coreml", paths, None))
    assert not has_reader(ArtifactRecord("M.mlpackage", "weights", "tensorrt", paths, None))


CONVOLUTION, INNER_PRODUCT, LSTM = 100, 140, 420


def mlmodel(layers: Sequence[tuple[int, bytes]], *, kind: int = 500, version: int = 4) -> bytes:
    """A Model with a network: for each layer the field of its kind, and its parameters."""
    named = (message(1, message(1, b"layer") + message(field, params)) for field, params in layers)
    return number(1, version) + message(2, bytes(40)) + message(kind, b"".join(named))


def test_a_core_ml_model_is_counted_by_the_weights_of_its_layers() -> None:
    """Halves, floats, and a palette of 4 bits."""
    palette = message(30, bytes(50)) + message(40, number(1, 4))
    layers = [
        (CONVOLUTION, number(1, 8) + message(90, message(2, bytes(144))) + message(91, message(1, bytes(32)))),
        (INNER_PRODUCT, number(1, 10) + message(20, palette)),
        (130, message(10, b"")),
    ]
    found = read("coreml", {"M.mlmodel": mlmodel(layers)})
    assert (found.parameters, found.tensor_count, found.quant) == (72 + 8 + 100, 3, "INT4")
    assert found.types == {"U4": 100, "F16": 72, "F32": 8}
    stated = {key: found.facts[key] for key in ("specification_version", "model_kind", "layers")}
    assert stated == {"specification_version": 4, "model_kind": "neural network", "layers": 3}


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (mlmodel([(CONVOLUTION, message(90, message(2, bytes(8)))), (LSTM, bytes([10, 127]) + bytes(1100))]), 2),
        (mlmodel([], kind=402), None),
        (mlmodel([], kind=502, version=7), None),
    ],
)
def test_a_core_ml_model_of_other_layers_or_kinds_states_no_parameters(data: bytes, facts: int | None) -> None:
    found = read("coreml", {"M.mlmodel": data})
    assert (found.parameters, found.quant, found.types, found.facts.get("layers")) == (None, None, {}, facts)
    assert found.tensor_layout is None and found.facts["model_kind"]
    assert found.version == found.facts["specification_version"] in (4, 7)


@pytest.mark.parametrize(
    "data", [number(1, 4) + message(77, b"x"), number(1, 0) + message(500, b""), b"", b"\x08\x06" + bytes(9)]
)
def test_what_is_no_core_ml_model_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError, match="Core ML"):
        read("coreml", {"M.mlmodel": data})


# ---- All ------------------------------------------------------------------------------------------------------------

SOUND = {
    "pytorch": torch_zip(pickled(LINEAR)), "nemo": tar({"model_weights.ckpt": torch_zip(pickled(LINEAR))}),
    "onnx": onnx_model([onnx_node("MatMul", ["x", "w"])], [onnx_tensor("w", F32, (4, 8), bytes(128))]),
    "coreml": mlmodel([(INNER_PRODUCT, message(20, message(2, bytes(64))))]),
    "tflite": tflite([("w", 9, (16, 8), 128)]), "openvino": openvino([("w", "f16", "4, 8"), ("b", "f16", "4")]),
}  # fmt: skip


@pytest.mark.parametrize("kind", SOUND)
@given(data=st.data())
def test_any_mutation_gives_a_header_or_a_typed_error(kind: str, data: st.DataObject) -> None:
    raw = bytearray(SOUND[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for each in (bytes(raw), bytes(raw[:cut])):
        try:
            read(kind, {"m.mlmodel" if kind == "coreml" else "m": each})
        except HeaderError as error:
            assert str(error).isprintable()


def test_a_crawl_reads_none_of_them() -> None:
    """Their tensors are described all over the file: many requests for one header."""
    crawled = {kind for kind, reader in READERS.items() if reader.crawled}
    assert crawled == {"gguf", "safetensors", "tensorrt"}, "of an engine one small JSON file is read"
    assert not is_crawled(ArtifactRecord("m.onnx", "weights", "onnx", ("m.onnx",), 5))
    assert is_crawled(ArtifactRecord("m.gguf", "weights", "gguf", ("m.gguf",), 5))
