"""What a file is for, by its path: weights, projector, adapter, tokenizer ... No file is opened."""

from __future__ import annotations

import re

from analysis.formats.formats import FOLDER_FORMATS, FORMAT_BY_EXTENSION, extension_of
from db.record_base import Role

IMATRIX_EXTENSIONS = frozenset({"dat", "imatrix", "gguf_file", "at_gguf"})
"""Extensions of importance matrices, beside gguf."""

PROJECTOR_EXTENSIONS = frozenset({"gguf", "bin", "safetensors"})
ADAPTER_EXTENSIONS = frozenset({"gguf", "bin", "safetensors", "pt", "pth", "ckpt", "npz"})

_SEPARATORS = re.compile(r"[-_. ]+")
_GGUF_SCHEME = re.compile(
    r"(?:^|[-_. ])(?:i?q[1-9](?:_\w+|k\w*)?|p?tq[1-9]_\w+|mxfp[4-8]\w*|nvfp4\w*)(?=$|[-. ])", re.I
)  # only a model's weights have one
_SCHEME_AT_END = re.compile(r"[-_.](?:i?q[1-9]|tq[12])[_a-z0-9]*\.imatrix$")
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
_PROJECTOR = re.compile(r"mm[-_]?proj", re.I)
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


def stem(path: str) -> str:
    """The file's name without folder and extension."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def split_words(text: str) -> frozenset[str]:
    """The lower-case words of a name, between hyphens, underscores, dots and spaces."""
    return frozenset(_SEPARATORS.split(text.lower()))


def is_training_state(path: str) -> bool:
    """Whether the file is needed to continue a training and for nothing else."""
    return _TRAINING.search(path) is not None


def is_pipeline_component(path: str) -> bool:
    """Whether the file is a part beside the model itself: a pipeline's autoencoder, its text encoders."""
    *folders, _ = path.split("/")
    return any(_COMPONENT_FOLDERS.match(folder) for folder in folders) or _COMPONENT_NAMES.match(stem(path)) is not None


def role_of(path: str) -> Role:
    """What the file is for. Files of a model format whose names say nothing else are `weights`."""
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
    extension = extension_of(path)
    if "imatrix" in path.lower() and _is_imatrix(path, extension):
        return "imatrix"
    if extension not in FORMAT_BY_EXTENSION and not any(f"{folder}/" in path for folder in FOLDER_FORMATS):
        return "other"
    return _role_of_weights(path, extension)


def _is_imatrix(path: str, extension: str) -> bool:
    """An importance matrix, not weights that were made with one (`X-Q4_K_M-imatrix.gguf`)."""
    if extension in IMATRIX_EXTENSIONS:
        return True
    name = stem(path).lower()
    return extension == "gguf" and (
        name.startswith("imatrix")
        or (name.endswith(".imatrix") and not _SCHEME_AT_END.search(name))
        or (name.endswith("imatrix") and not _GGUF_SCHEME.search(name))
    )


def _role_of_weights(path: str, extension: str) -> Role:
    """The role of a file that holds tensors."""
    *folders, name = path.split("/")
    base = stem(path)
    if extension in PROJECTOR_EXTENSIONS and _PROJECTOR.search(name):
        return "mmproj"
    if extension == "gguf" and base.startswith("ggml-vocab"):
        return "tokenizer"
    if _is_draft(base, extension, folders):
        return "draft"
    if _is_adapter(base, extension, folders):
        return "adapter"
    return "other" if is_pipeline_component(path) else "weights"


def _is_draft(base: str, extension: str, folders: list[str]) -> bool:
    """A small model that proposes tokens for another one to check, or that other one's own prediction layers."""
    lower = base.lower()
    if split_words(base) & _DRAFT_WORDS or "-it-assistant" in lower:
        return True
    if any(folder.lower() in _DRAFT_FOLDERS for folder in folders):
        return True
    prediction_layers = lower.startswith(("mtp-", "mtp_", "mtp.")) or lower in ("mtp", "nextn")
    return prediction_layers and extension == "gguf"


def _is_adapter(base: str, extension: str, folders: list[str]) -> bool:
    if extension not in ADAPTER_EXTENSIONS:
        return False
    if any(folder.lower() in ("lora", "loras", "adapter", "adapters") for folder in folders):
        return True
    if not _ADAPTER.match(base):
        return False
    return extension not in ("gguf", "bin") or not _GGUF_SCHEME.search(base)  # a merged model's name may hold lora
