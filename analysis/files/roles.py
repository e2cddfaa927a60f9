"""What a file is there for, and in which format it is, as its path tells. Never by opening it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from db.record_base import Role

FORMAT_BY_EXTENSION: Mapping[str, str] = {
    "gguf": "gguf", "ggml": "ggml", "safetensors": "safetensors", "bin": "pytorch", "pt": "pytorch", "pth": "pytorch",
    "ckpt": "pytorch", "onnx": "onnx", "onnx_data": "onnx", "ort": "onnx", "mlmodel": "coreml", "mlpackage": "coreml",
    "mlmodelc": "coreml", "tflite": "tflite", "litertlm": "tflite", "task": "tflite", "pte": "executorch",
    "nemo": "nemo", "h5": "tensorflow", "keras": "tensorflow", "pb": "tensorflow", "msgpack": "flax", "ot": "rust",
    "pdparams": "paddle", "pdiparams": "paddle", "engine": "tensorrt", "plan": "tensorrt", "trt": "tensorrt",
    "rkllm": "rkllm", "rknn": "rkllm", "dlc": "qnn", "llamafile": "llamafile", "npz": "numpy", "pkl": "pickle",
    "pickle": "pickle", "joblib": "pickle", "imatrix": "imatrix",
}  # fmt: skip
"""Extension -> format. `.bin` is PyTorch's unless its name or its neighbours say otherwise."""

SIDECAR_ROLES: frozenset[Role] = frozenset({"mmproj", "adapter", "imatrix", "draft"})
"""Roles of what serves a model and is none: their names carry the size of the model that they belong to."""

PACKAGES = (".mlpackage", ".mlmodelc")
"""Folders that are one thing."""

_SPLIT = re.compile(r"[-_. ]+")
_SCHEME = re.compile(
    r"(?:^|[-_. ])(?:i?q[1-9](?:_\w+|k\w*)?|p?tq[1-9]_\w+|mxfp[4-8]\w*|nvfp4\w*)(?=$|[-. ])", re.I
)  # a quantized GGUF scheme: a model's weights
_SCHEME_LAST = re.compile(r"[-_.](?:i?q[1-9]|tq[12])[_a-z0-9]*\.imatrix$")
_TRAINING = re.compile(
    r"(?:^|/)(?:optimizer|optim|rng_state|random_states|training_args|trainer_state|scaler|grad_scaler|training_state)"
    r"(?![a-z])[^/]*$|(?:^|/)scheduler\.(?:bin|pt|pth)$|_optim_states\.|(?:^|/)global_?step\d+/|\.distcp$|"
    r"(?:^|/)(?:latest|zero_to_fp32\.py)$|(?:^|/)(?:bf16_)?(?:zero_pp|mp)_rank_\d+[^/]*$",
    re.I,
)
_TOKENIZER = re.compile(
    r"(?:^|/)(?:tokenizer|detokenizer|openvino_(?:de)?tokenizer|vocab|merges|spiece|sentencepiece|special_tokens_map|"
    r"added_tokens|tekken|bpe|source|target|tiktoken|tokenization|shared_vocabulary|vocabulary)"
    r"[^/]*\.(?:json|txt|model|spm|vocab|bin|xml|jsonl|tiktoken|py|onnx)$|\.(?:tiktoken|spm)$",
    re.I,
)
_CONFIG = re.compile(
    r"(?:^|/)(?:[^/]*config[^/]*|params|modules|model_index|generation[^/]*|preprocessor[^/]*|chat_template[^/]*|"
    r"quanto_qmap|quantize_config|quant_strategy|measurement|job_new|ndarray-cache|tensor-cache|hparams|args)"
    r"\.(?:json|ya?ml|jinja|toml|txt)$",
    re.I,
)
_CARD = re.compile(r"(?:^|/)(?:readme|model_?card)[^/]*\.(?:md|rst|txt)$", re.I)
_MMPROJ = re.compile(r"mm[-_]?proj", re.I)
_DRAFT_WORDS = frozenset({"draft", "drafter", "eagle", "eagle2", "eagle3", "dflash", "speculator", "medusa", "dspark"})
_DRAFT_FOLDERS = _DRAFT_WORDS | {"mtp", "drafts", "nextn"}
_ADAPTER = re.compile(
    r"(?:ggml-)?adapters?(?:[-_.]model)?\b|pytorch_(?:custom_)?lora_weights|learned_embeds|"
    r"(?:.*[-_. ])?(?:lora|loras|lokr|loha|dora|lycoris|locon)(?:[-_. ].*)?$",
    re.I,
)
_COMPONENT_FOLDERS = re.compile(
    r"(?:text_encoders?(?:_\d)?|vae(?:_\w+)?|\w+_vae|image_encoder|safety_checker|clip(?:_vision)?|vocoder|vqvae|movq|"
    r"feature_extractor|image_processor|scheduler|connectors|text_projection|vision_language_encoder|embeddings|"
    r"upscale_models|latent_upscale_models|\d+_(?:Dense|CNN|LSTM|Pooling|LayerNorm|WeightedLayerPooling|Normalize))$",
    re.I,
)
_COMPONENT_NAMES = re.compile(
    r"(?:.*[-_. ])?vae(?:[-_. ].*)?$|(?:.*[-_. ])?u?m?t5[-_]?(?:v1_1[-_])?xxl.*|(?:tokenizer|vocoder)-.*|"
    r"(?:models_)?clip_(?:[lgh]\b|open|vision).*|ae$|.*text_encoders?$",
    re.I,
)


def extension(path: str) -> str:
    """The lower-case extension without its dot; empty where there is none."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def stem(path: str) -> str:
    """The file's name without folder and extension."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def split_words(text: str) -> frozenset[str]:
    return frozenset(_SPLIT.split(text.lower()))


def is_training_state(path: str) -> bool:
    """Whether the file is of no use but to go on training."""
    return _TRAINING.search(path) is not None


def is_pipeline_component(path: str) -> bool:
    """Whether the file is a part beside the model itself: a pipeline's autoencoder, its text encoders."""
    *folders, _ = path.split("/")
    return any(_COMPONENT_FOLDERS.match(folder) for folder in folders) or _COMPONENT_NAMES.match(stem(path)) is not None


def role_of(path: str) -> Role:
    """What the file is there for. Weights of which nothing else is known are `weights`."""
    if is_training_state(path):
        return "other"
    if _TOKENIZER.search(path):
        return "tokenizer"
    if path.endswith((".index.json", ".index.json.gz")):
        return "index"
    if _CONFIG.search(path):
        return "config"
    if _CARD.search(path):
        return "card"
    kind = extension(path)
    if "imatrix" in path.lower() and _imatrix(path, kind):
        return "imatrix"
    if kind not in FORMAT_BY_EXTENSION and not any(f"{package}/" in path for package in PACKAGES):
        return "other"
    return _weights_role(path, kind)


def _imatrix(path: str, kind: str) -> bool:
    """An importance matrix, not weights that were made with one (`X-Q4_K_M-imatrix.gguf`)."""
    if kind in ("dat", "imatrix", "gguf_file", "at_gguf"):
        return True
    name = stem(path).lower()
    return kind == "gguf" and (
        name.startswith("imatrix")
        or (name.endswith(".imatrix") and not _SCHEME_LAST.search(name))
        or (name.endswith("imatrix") and not _SCHEME.search(name))
    )


def _weights_role(path: str, kind: str) -> Role:
    *folders, name = path.split("/")
    base = stem(path)
    told = split_words(base)
    if kind in ("gguf", "bin", "safetensors") and _MMPROJ.search(name):
        return "mmproj"
    if kind == "gguf" and base.startswith("ggml-vocab"):
        return "tokenizer"
    mtp = base.lower().startswith(("mtp-", "mtp_", "mtp.")) or base.lower() in ("mtp", "nextn")
    if (
        told & _DRAFT_WORDS
        or "-it-assistant" in base.lower()
        or any(folder.lower() in _DRAFT_FOLDERS for folder in folders)
    ):
        return "draft"
    if mtp and kind == "gguf":
        return "draft"
    if _adapter(base, kind, folders):
        return "adapter"
    return "other" if is_pipeline_component(path) else "weights"


def _adapter(base: str, kind: str, folders: list[str]) -> bool:
    if kind not in ("gguf", "bin", "safetensors", "pt", "pth", "ckpt", "npz"):
        return False
    if any(folder.lower() in ("lora", "loras", "adapter", "adapters") for folder in folders):
        return True
    if not _ADAPTER.match(base):
        return False
    return kind not in ("gguf", "bin") or not _SCHEME.search(base)  # a merged model may carry lora in its name


def format_of(path: str) -> str | None:
    """The format that the path tells."""
    for package in PACKAGES:
        if f"{package}/" in path:
            return "coreml"
    kind = extension(path)
    name = path.rpartition("/")[2].lower()
    if kind == "bin":
        if "openvino" in path.lower():
            return "openvino"
        if name.startswith("params_shard"):
            return "mlc"
        if "ggml" in name or re.search(r"[-_.]q[2-8](?:_[01k]\w*)\.bin$", name):
            return "ggml"
    return FORMAT_BY_EXTENSION.get(kind)
