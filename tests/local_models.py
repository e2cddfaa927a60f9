"""A sample Hub whose model files are small and whole, the catalog of its crawls, and its files in every store's layout.

The Hub's history: `acme/Fixed-GGUF` replaces its file after the first crawl and removes another, `acme/Old` is renamed
to `acme/New`, and `acme/Vanished` is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from samplehub import Catalog, SampleHub, SmallFile
from tests.analysis.formats.gguf_file import LAYERS, Tensor, gguf, model, q4
from tests.analysis.formats.safetensors_file import entries, framed
from tests.crawler.hubs import run_crawl

DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 11)]


class WholeFile(SmallFile):
    """A file in LFS that is small enough to have its true sha256."""

    large = True


def whole(data: bytes) -> WholeFile:
    return WholeFile(lambda: data)


def quantized(name: str, tensors: tuple[Tensor, ...] = LAYERS, *, template: str = "{{ messages }}") -> bytes:
    """A GGUF file of a model."""
    more = {"general.name": name, "general.file_type": 15, "tokenizer.chat_template": template}
    return gguf(model(300, more=more), tensors)


def full_precision(name: str) -> bytes:
    """A safetensors file."""
    tensors = {
        "model.embed_tokens.weight": ("BF16", (320, 64)),
        "model.layers.0.mlp.up_proj.weight": ("BF16", (64, 64)),
    }
    return framed(json.dumps(entries(tensors, {"format": "pt", "name": name})).encode()) + bytes(
        320 * 64 * 2 + 64 * 64 * 2
    )


OTHER_TYPES = tuple(Tensor(t.name, t.shape, 14, t.size * 210 // 144) if t.type == 12 else t for t in LAYERS)
"""LAYERS in Q6_K: the same names and shapes."""

FILES: Mapping[str, Mapping[str, bytes]] = {
    "acme/Tiny-1B": {"model.safetensors": full_precision("Tiny"), "config.json": b'{"model_type": "llama"}'},
    "acme/Tiny-1B-GGUF": {
        "Tiny-1B-Q4_K_M.gguf": quantized("Tiny"),
        "Tiny-1B-Q6_K.gguf": quantized("Tiny", OTHER_TYPES),
        "F16/Tiny-1B-F16-00001-of-00002.gguf": quantized("Tiny part 1", LAYERS[:2]),
        "F16/Tiny-1B-F16-00002-of-00002.gguf": gguf({"split.no": 1}, LAYERS[2:]),
    },
    "mirror/Tiny-1B-GGUF": {"Tiny-1B-Q4_K_M.gguf": quantized("Tiny")},
    "acme/Fixed-GGUF": {
        "Fixed-Q4_K_M.gguf": quantized("Fixed", template="{{ broken }}"),
        "Fixed-Q2_K.gguf": quantized("Q2"),
    },
    "acme/Old": {"Old-Q4_K_M.gguf": quantized("Old", (*LAYERS, q4("output.weight", 300)))},
    "acme/In-Git": {"git-Q8_0.gguf": gguf(model(60), [q4("a", 9)])},
    "acme/Vanished": {"Vanished-Q4_K_M.gguf": quantized("Vanished", (*LAYERS, q4("output.weight", 600)))},
}  # fmt: skip
"""What the repos hold at the first crawl."""

FIXED = quantized("Fixed", template="{{ fixed }}")
"""What replaced Fixed-Q4_K_M.gguf."""

LICENSES = {"acme/Tiny-1B-GGUF": "apache-2.0"}


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def make_hub() -> Catalog:
    catalog = Catalog()
    for at, (repo_id, files) in enumerate(FILES.items()):
        in_git = repo_id == "acme/In-Git"
        contents = {p: data if in_git or p.endswith(".json") else whole(data) for p, data in files.items()}
        base = {"base": ("acme/Tiny-1B",), "relation": "quantized"} if "Tiny-1B-GGUF" in repo_id else {}
        tags = ("gguf", *([f"license:{LICENSES[repo_id]}"] if repo_id in LICENSES else []))
        catalog.add(repo_id, contents, created=DAYS[at], downloads=100 - at, tags=tags, **base)
    return catalog


def crawl_with_history(db: Path) -> None:
    """The catalog of this Hub, which changes between the crawls."""
    with SampleHub(catalog=make_hub()) as sample:
        run_crawl(db, sample, depth="headers")
        fixed = {"Fixed-Q4_K_M.gguf": whole(FIXED), "Fixed-Q2_K.gguf": None}
        sample.catalog.change_files("acme/Fixed-GGUF", fixed, modified=datetime(2026, 2, 1, tzinfo=UTC))
        sample.catalog.rename("acme/Old", "acme/New")
        sample.catalog.remove("acme/Vanished")
        for _ in range(2):
            run_crawl(db, sample, depth="headers", full=True)


# ---- layouts --------------------------------------------------------------------------------------------------------

COMMIT = "c" * 40


class Placed(NamedTuple):
    """A file that a store holds: where a user finds it, and of which repo and file it is."""

    path: Path
    repo_id: str
    file: str


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def every_file() -> list[tuple[str, str, bytes]]:
    """Repo, path and content of the model files, without those of repos that changed later."""
    stable = ("acme/Tiny-1B", "acme/Tiny-1B-GGUF")
    return [(repo, path, data) for repo in stable for path, data in FILES[repo].items() if not path.endswith(".json")]


def huggingface(folder: Path) -> list[Placed]:
    found = []
    for repo, path, data in every_file():
        own = folder / f"models--{repo.replace('/', '--')}"
        blob = write(own / "blobs" / digest(data), data)
        link = own / "snapshots" / COMMIT / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
        write(own / "refs" / "main", COMMIT.encode())
        found.append(Placed(link, repo, path))
    return found


def ollama(folder: Path) -> list[Placed]:
    found = []
    for repo, path, data in every_file():
        if "-of-" in path or not path.endswith(".gguf"):
            continue
        blob = write(folder / "blobs" / f"sha256-{digest(data)}", data)
        layer = {
            "mediaType": "application/vnd.ollama.image.model",
            "digest": f"sha256:{digest(data)}",
            "size": len(data),
        }
        params = {"mediaType": "application/vnd.ollama.image.params", "digest": f"sha256:{'0' * 64}", "size": 2}
        quant = path.rpartition("-")[2].removesuffix(".gguf")
        text = json.dumps({"schemaVersion": 2, "layers": [layer, params]})
        write(folder / "manifests" / "hf.co" / repo / quant, text.encode())
        found.append(Placed(blob, repo, path))
    return found


def docker(folder: Path) -> list[Placed]:
    found, models = [], []
    for repo, path, data in every_file():
        if "-of-" in path or not path.endswith(".gguf"):
            continue
        blob = write(folder / "blobs" / "sha256" / digest(data), data)
        layer = {
            "mediaType": "application/vnd.docker.ai.gguf.v3",
            "digest": f"sha256:{digest(data)}",
            "size": len(data),
        }
        text = json.dumps({"schemaVersion": 2, "layers": [layer]}).encode()
        write(folder / "manifests" / "sha256" / digest(text), text)
        models.append({"id": f"sha256:{digest(text)}", "tags": [f"hf.co/{repo}:Q4_K_M"]})
        found.append(Placed(blob, repo, path))
    write(folder / "models.json", json.dumps({"models": models}).encode())
    return found


def owner_folders(folder: Path) -> list[Placed]:
    """LM Studio's and ModelScope's OWNER/REPO/FILE."""
    return [Placed(write(folder / repo / path, data), repo, path) for repo, path, data in every_file()]


def flat(folder: Path) -> list[Placed]:
    """Files only, as GPT4All keeps them."""
    return [Placed(write(folder / path.rpartition("/")[2], data), repo, path) for repo, path, data in every_file()]


def llama_cpp(folder: Path) -> list[Placed]:
    """OWNER_REPO_FILE with a JSON file that holds the URL."""
    found = []
    for repo, path, data in every_file():
        if not path.endswith(".gguf"):
            continue
        name = f"{repo.replace('/', '_')}_{path.rpartition('/')[2]}"
        url = f"https://huggingface.co/{repo}/resolve/main/{path}"
        write(folder / f"{name}.json", json.dumps({"url": url, "etag": '"x"'}).encode())
        found.append(Placed(write(folder / name, data), repo, path))
    return found


def jan(folder: Path) -> list[Placed]:
    return [Placed(write(folder / "huggingface.co" / r / path, data), r, path) for r, path, data in every_file()]


def comfyui(folder: Path) -> list[Placed]:
    return [Placed(write(folder / "checkpoints" / p.rpartition("/")[2], d), r, p) for r, p, d in every_file()]


def webui(folder: Path) -> list[Placed]:
    found = []
    for repo, path, data in every_file():
        own = folder / repo.replace("/", "_")
        metadata = own / "huggingface-metadata.txt"
        before = (
            metadata.read_text()
            if metadata.exists()
            else f"url: https://huggingface.co/{repo}\nbranch: main\nsha256sum:\n"
        )
        name = path.rpartition("/")[2]
        write(metadata, f"{before}    {digest(data)} {name}\n".encode())
        found.append(Placed(write(own / name, data), repo, path))
    return found


def local_dir(folder: Path) -> list[Placed]:
    """`hf download --local-dir`."""
    found = []
    for repo, path, data in every_file():
        own = folder / repo.rpartition("/")[2]
        placed = write(own / path, data)
        lines = f"{COMMIT}\n{digest(data)}\n{placed.stat().st_mtime}\n"
        write(own / ".cache" / "huggingface" / "download" / f"{path}.metadata", lines.encode())
        found.append(Placed(placed, repo, path))
    return found


LAYOUTS: Mapping[str, Callable[[Path], list[Placed]]] = {
    "huggingface": huggingface,
    "ollama": ollama,
    "lmstudio": owner_folders,
    "llama.cpp": llama_cpp,
    "mlx": huggingface,
    "gpt4all": flat,
    "jan": jan,
    "comfyui": comfyui,
    "text-generation-webui": webui,
    "docker": docker,
    "modelscope": owner_folders,
    "folder": local_dir,
}
"""The layout of each store, written below a folder."""
