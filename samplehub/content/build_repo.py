"""From a repo's facts to the repo: its files, the API's blocks about it, its card and its tags."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property, lru_cache

from samplehub.content import config_files as configs
from samplehub.content import infer as guess
from samplehub.content.card import evaluation_result, make_card, make_tags, readme
from samplehub.content.card_texts import card_body
from samplehub.content.file_content import Content, SmallFile, SparseFile
from samplehub.content.geometry import Geometry, Tensor
from samplehub.content.gguf import GgufFile, Header, split
from samplehub.content.gguf_models import CHAT_TEMPLATE, general_keys, gguf_header, imatrix_header, projector_header
from samplehub.content.inert_pickles import inert_pickle
from samplehub.content.model_facts import BuiltInFacts, Facts, parse_time
from samplehub.content.quantization_config import quantization_config
from samplehub.content.repo import Json, Repo, RepoParts, hub_time
from samplehub.content.safetensors import Shards, filler_file
from samplehub.content.scans import file_scan
from samplehub.content.synthetic_header import HeaderSpec, fit_header
from samplehub.content.tensor_plans import converted_parameters, parameters_of, plan_of
from samplehub.content.weight_packing import Scheme, StoredTensor, is_packed, pack, store_tensors

GB = 10**9
ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.gguf filter=lfs diff=lfs merge=lfs -text\n"


def build(facts: Facts, known: BuiltInFacts) -> Repo:
    return Builder(facts, known).repo()


class Builder:
    """Makes one repo; nothing that costs anything is made before it is asked for."""

    def __init__(self, facts: Facts, known: BuiltInFacts) -> None:
        self.facts = facts
        self.known = known

    @cached_property
    def geometry(self) -> Geometry | None:
        geometry = self.known.geometries.get(self.facts.geometry)
        if geometry is not None and self.facts.dtype:
            geometry = replace(geometry, dtype=self.facts.dtype)
        return geometry

    def repo(self) -> Repo:
        f = self.facts
        parts = RepoParts(
            files=self.files,
            branches={name: self._branch(bits) for name, bits in f.branches.items()},
            tags={"v1.0": "main"} if f.branches else {},
            safetensors=self.safetensors,
            gguf=self.gguf,
            config=self.shown_config,
            card=self.card,
            evals=self.evals,
        )
        return Repo(
            id=f.id,
            created=hub_time(parse_time(f.created)),
            modified=f.last_modified,
            downloads=f.downloads,
            likes=f.likes,
            tags=self.tags(),
            pipeline=f.pipeline or None,
            library=f.library or None,
            gated=f.gated or False,
            private=f.private,
            disabled=f.disabled,
            base=f.base,
            relation=(f.relation or ("quantized" if f.store == "gguf" or f.scheme else "finetune")) if f.base else None,
            parts=parts,
            scans={path: file_scan(status, f.pickles.get(path, ())) for path, status in f.scans.items()},
        )

    # ---- what the API says of it -----------------------------------------------------------------------------------

    def card(self) -> Json:
        f = self.facts
        return make_card(
            license_=f.license or None,
            license_name=f.license_name or None,
            languages=f.languages,
            library=f.library or None,
            pipeline=f.pipeline or None,
            base=f.base,
            relation=f.relation or None,
            relation_said=f.relation_said,
            tags=f.tags,
            datasets=f.datasets,
            quantizer=f.quantized_by or None,
            results=[evaluation_result(name.split(" ")[0], name, "acc", value) for name, value in f.evals.items()],
            name=f.id.rpartition("/")[2],
        )

    def evals(self) -> list[Json]:
        """The `evalResults` block, which the Hub makes of files in .eval_results/."""
        parted = [(*name.split(" "), value) for name, value in self.facts.results.items()]
        return [{"dataset": {"id": name, "task_id": task}, "value": value} for name, task, value in parted]

    def tags(self) -> tuple[str, ...]:
        f = self.facts
        formats = {"safetensors": ["safetensors"], "gguf": ["gguf"], "adapter": ["safetensors"]}.get(f.store, [])
        if f.store == "pipeline":
            formats = ["diffusers", "safetensors"]
        automatic = [*f.automatic]
        if f.evals or f.results:
            automatic.append("eval-results")
        if f.store == "gguf" and (f.imatrix or f.imatrix_file):
            automatic.append("imatrix")
        automatic += scheme_tags(f.scheme) if f.scheme else []
        if f.pipeline in ("text-generation", "image-text-to-text") and "it" in split_words(f.id) | split_words(
            f.geometry
        ):
            automatic.append("conversational")
        shown = self.geometry is not None and f.store == "safetensors" and not f.no_config
        return make_tags(
            library=f.library or None,
            formats=formats,
            model_type=self.geometry.type if shown and self.geometry else None,
            pipeline=f.pipeline or None,
            extra=f.tags,
            languages=f.languages,
            datasets=f.datasets,
            base=f.base,
            relation=f.relation or ("quantized" if f.store == "gguf" or f.scheme else "finetune"),
            license_=f.license or None,
            automatic=automatic,
        )

    def safetensors(self) -> Json | None:
        """Parameters by type, as the Hub counts them."""
        f = self.facts
        if f.no_metadata or f.store not in ("safetensors", "adapter", "pipeline") or not f.main:
            return None
        if f.store == "safetensors" and self.geometry is not None:
            counts = dict(count_stored_parameters(self.geometry, f.scheme))
        else:
            counts = count_parameters(self.tensors())
        return {"parameters": counts, "total": sum(counts.values())} if counts else None

    def gguf(self) -> Json | None:
        """The block about one file: the half-precision one where there is one, else the first."""
        f, g = self.facts, self.geometry
        if f.store != "gguf" or g is None:
            return None
        names = {quant: self._gguf_name(quant) for quant in f.quants}
        whole = [quant for quant in f.quants if quant in ("F16", "BF16")]
        quant = (whole or sorted(f.quants, key=lambda quant: names[quant].lower()))[0]
        header = self._gguf_header(quant)
        block: Json = {
            "total": converted_parameters(g),
            "architecture": g.gguf,
            "context_length": g.context,
        }
        tokenizer = self.known.tokenizers.get(g.tokenizer)
        if tokenizer is not None and g.plan == "decoder":
            block["chat_template"] = CHAT_TEMPLATE
        if tokenizer is not None and tokenizer.specials:
            block |= {"bos_token": tokenizer.specials[0], "eos_token": tokenizer.specials[-1]}
        if f.imatrix_file:
            block["quantize_imatrix_file"] = f.imatrix_file
        return block | {"totalFileSize": sum(shard.file_size for shard in split(header, self._split_bytes()))}

    def config(self) -> Json | None:
        """config.json itself."""
        f, g = self.facts, self.geometry
        if g is None or f.store == "adapter":
            return None
        quantization = quantization_config(f.scheme) if f.scheme else None
        config = configs.config_json(g, quantization)
        if f.scheme and f.scheme.method.startswith("mlx"):
            config["quantization"] = config["quantization_config"]
        return config

    def shown_config(self) -> Json | None:
        """What the API knows of config.json: nothing for most GGUF repos."""
        f = self.facts
        if f.no_config or (f.store == "gguf" and not f.gguf_config) or f.store in ("adapter", "files", "pipeline"):
            return None
        return self.config()

    # ---- files -----------------------------------------------------------------------------------------------------

    def files(self) -> dict[str, Content]:
        f = self.facts
        files: dict[str, Content] = {
            ".gitattributes": SmallFile(lambda: ATTRIBUTES),
            "README.md": SmallFile(lambda: readme(self.card(), f.id, card_body(f.id))),
        }
        for one in self.evals():
            path = f".eval_results/{one['dataset']['task_id']}.yaml"
            files[path] = SmallFile(lambda one=one: f"- {json.dumps(one)}\n".encode())  # type: ignore[misc]
        if f.main:
            files |= FILES_BY_STORE[f.store](self)
        files |= {path: self._opaque(path, size) for path, size in f.files.items()}
        return files

    def _opaque(self, path: str, size: int) -> Content:
        imports = self.facts.pickles.get(path)
        if imports is not None:
            return SparseFile(f"{self.facts.id} {path} {imports}", size, lambda: inert_pickle(imports))
        if size < 1_000_000 and not path.endswith((".safetensors", ".gguf", ".bin", ".onnx", ".pt", ".pth")):
            return SmallFile(lambda: bytes(size) if "." not in path else b" " * size)
        facts = f"{self.facts.copy_of or self.facts.id} {path} {size}"
        if path.endswith(".safetensors"):
            return filler_file(facts, size, self.facts.dtype or "F16")
        if path.endswith(".gguf") and size % 32 == 0:
            keys = general_keys(self.facts, guess.geometry_of_architecture("llama"))
            words = self.known.tokenizers["llama2"]
            return GgufFile(facts, lambda: fit_header(HeaderSpec(path, size, "llama", keys, words)))
        return SparseFile(facts, size)

    def _settings(self) -> dict[str, Content]:
        """config.json and the small files beside it."""
        config = self.config()
        files: dict[str, Content] = {}
        if config is not None:
            files["config.json"] = SmallFile(lambda: json.dumps(config, indent=2).encode())
        if self.geometry is not None and self.geometry.tokenizer in self.known.tokenizers:
            vocab = self.known.tokenizers[self.geometry.tokenizer].vocab
            files["tokenizer.json"] = SparseFile(f"tokenizer {self.geometry.tokenizer}", vocab * 68)
            files["tokenizer_config.json"] = SmallFile(lambda: json.dumps({"chat_template": CHAT_TEMPLATE}).encode())
            files["generation_config.json"] = SmallFile(
                lambda: b'{"do_sample": true, "transformers_version": "4.56.0"}'
            )
        return files

    def tensors(self) -> list[StoredTensor]:
        if self.facts.store == "adapter":
            return list(self._adapter())
        if self.facts.store == "pipeline":
            parts = [self._component(folder) for folder in self._main_component()]
            return [StoredTensor(tensor.name, g.dtype, tensor.shape) for g in parts for tensor in plan_of(g)]
        if self.geometry is None:
            return []
        return list(store_tensors(plan_of(self.geometry), self.geometry, self.facts.scheme))

    def _safetensors(self) -> dict[str, Content]:
        f = self.facts
        files = self._settings()
        metadata = {"format": "mlx"} if f.scheme and f.scheme.method.startswith("mlx") else {"format": "pt"}
        if self.geometry is None:
            return files
        logical = parameters_of(self.geometry) if metadata["format"] == "mlx" else None
        weights = make_shards(self.geometry, f.scheme, int(f.shard * GB), logical)
        files |= weights.files(f.copy_of or f.id, folder=f.folder, metadata=metadata)
        if f.consolidated:
            whole = make_shards(self.geometry, f.scheme, 1 << 60, None)
            files |= whole.files(f"{f.id} consolidated", stem="consolidated", metadata={})
            files |= {"params.json": SmallFile(lambda: b'{"dim": 0}')}
        if f.bin:
            size = sum(tensor.bytes * max(1, tensor.experts) for tensor in self.tensors())
            files["pytorch_model.bin"] = SparseFile(f"{f.id} bin", size + 30_000)
        if f.older_config and f.scheme:
            quantization = quantization_config(f.scheme) or {}
            older = configs.quantize_config(quantization)
            files["quantize_config.json"] = SmallFile(lambda: json.dumps(older, indent=2).encode())
        if f.scheme and f.scheme.method.startswith("modelopt"):
            algo = "NVFP4" if "nvfp4" in f.scheme.method else "FP8"
            about = {"producer": {"name": "modelopt", "version": "0.33.0"}, "quantization": {"quant_algo": algo}}
            files["hf_quant_config.json"] = SmallFile(lambda: json.dumps(about, indent=2).encode())
        if f.scheme and f.scheme.method == "quanto":
            kind = f"qint{f.scheme.bits}"
            names = [tensor.name for tensor in self.tensors() if tensor.name.endswith("._data")]
            qmap = {name.removesuffix(".weight._data"): {"weights": kind, "activations": "none"} for name in names}
            files["quanto_qmap.json"] = SmallFile(lambda: json.dumps(qmap).encode())
        return files

    def _branch(self, bits: float) -> Callable[[], dict[str, Content]]:
        """The files of a branch that holds the model at other bits per weight, as EXL2 and EXL3 repos have them."""

        def make() -> dict[str, Content]:
            scheme = self.facts.scheme or Scheme("exl2")
            other = replace(scheme, bits=int(bits), options={**scheme.options, "bits": bits})
            facts = replace(self.facts, scheme=other, main=True, copy_of=f"{self.facts.id} at {bits}")
            builder = Builder(facts, self.known)
            return builder.files()

        return make

    # ---- GGUF ------------------------------------------------------------------------------------------------------

    def _split_bytes(self) -> int:
        return int(self.facts.split * GB)

    def _gguf_name(self, quant: str) -> str:
        f = self.facts
        repo = f.id.rpartition("/")[2]
        name = f.name or repo.removesuffix("-GGUF").removesuffix("-gguf").removesuffix("-i1")
        return f.file.format(name=name, lower=name.lower(), quant=quant, quant_lower=quant.lower(), folder=quant)

    def _gguf_header(self, quant: str) -> Header:
        g = self.geometry
        if g is None:
            raise ValueError(f"{self.facts.id} has quants but no geometry")
        return gguf_header(self.facts, g, self.known, quant)

    def _gguf_files(self) -> dict[str, Content]:
        f, g = self.facts, self.geometry
        if g is None:
            return {}
        files: dict[str, Content] = {}
        if f.gguf_config:
            config = configs.config_json(g)
            files["config.json"] = SmallFile(lambda: json.dumps(config, indent=2).encode())
        for quant in f.quants:
            files |= self._one_quant(quant)
        for path in f.mmproj:
            files[path] = GgufFile(f"{f.geometry} {path}", lambda path=path: projector_header(f, g, path))  # type: ignore[misc]
        if f.imatrix_file:
            if f.imatrix_file.endswith(".dat"):
                size = sum(4 * tensor.shape[-1] for tensor in plan_of(g) if tensor.linear)
                files[f.imatrix_file] = SparseFile(f"{f.id} {f.imatrix_file}", size)
            else:
                files[f.imatrix_file] = GgufFile(f"{f.id} {f.imatrix_file}", lambda: imatrix_header(g))
        if f.draft:
            small = self.known.geometries[f.draft]
            make = lambda: gguf_header(f, small, self.known, "Q8_0")  # noqa: E731
            files[f.draft_file] = GgufFile(f"{f.id} {f.draft_file}", make)
        return files

    def _one_quant(self, quant: str) -> dict[str, Content]:
        f = self.facts
        path = self._gguf_name(quant)
        facts = f"{f.copy_of or f.id} {quant}"
        header = self._gguf_header(quant)
        if header.data <= self._split_bytes():
            return {path: GgufFile(facts, lambda: self._gguf_header(quant))}
        count = len(split(header, self._split_bytes()))
        stem = path.removesuffix(".gguf")
        if "/" not in path and f.file.startswith("{folder}"):
            stem = f"{quant}/{stem}"

        def shard(number: int) -> Callable[[], Header]:
            return lambda: split(self._gguf_header(quant), self._split_bytes())[number]

        return {
            f"{stem}-{number + 1:05d}-of-{count:05d}.gguf": GgufFile(f"{facts} {number}", shard(number))
            for number in range(count)
        }

    # ---- adapters and pipelines ------------------------------------------------------------------------------------

    def _adapter(self) -> Iterable[StoredTensor]:
        f, g = self.facts, self.geometry
        if g is None:
            return
        for tensor in plan_of(g):
            if tensor.linear and tensor.role in f.targets and not tensor.experts:
                stem = "base_model.model." + tensor.name.removesuffix(".weight")
                yield StoredTensor(f"{stem}.lora_A.weight", "F32", (f.rank, tensor.shape[1]))
                yield StoredTensor(f"{stem}.lora_B.weight", "F32", (tensor.shape[0], f.rank))

    def _adapter_files(self) -> dict[str, Content]:
        f = self.facts
        config = {
            "base_model_name_or_path": f.base[0] if f.base else None,
            "lora_alpha": 2 * f.rank,
            "lora_dropout": 0.05,
            "peft_type": "LORA",
            "r": f.rank,
            "target_modules": [f"{letter}_proj" for letter in f.targets],
            "task_type": "CAUSAL_LM",
        }
        files = Shards(self.tensors).files(f.id, stem="adapter_model")
        return files | {"adapter_config.json": SmallFile(lambda: json.dumps(config, indent=2).encode())}

    def _component(self, folder: str) -> Geometry:
        return self.known.geometries[self.facts.components[folder]]

    def _main_component(self) -> list[str]:
        """The folder that counts as the size of a pipeline."""
        return [folder for folder in ("transformer", "unet") if folder in self.facts.components][:1]

    def _pipeline(self) -> dict[str, Content]:
        f = self.facts
        files: dict[str, Content] = {}
        about: Json = {"_class_name": f.pipeline_class, "_diffusers_version": "0.30.0"}
        for folder, name in f.components.items():
            g = self.known.geometries[name]
            stem = "model" if folder.startswith("text_encoder") else "diffusion_pytorch_model"
            facts = f"component {name} {g.dtype}"
            files |= make_shards(g, None, 10 * GB, None).files(facts, stem=stem, folder=f"{folder}/")
            settings = configs.config_json(g)
            files[f"{folder}/config.json"] = SmallFile(lambda settings=settings: json.dumps(settings).encode())  # type: ignore[misc]
            about[folder] = ["transformers" if folder.startswith("text_encoder") else "diffusers", g.architecture]
        files["model_index.json"] = SmallFile(lambda: json.dumps(about, indent=2).encode())
        return files


FILES_BY_STORE: dict[str, Callable[[Builder], dict[str, Content]]] = {
    "safetensors": Builder._safetensors,
    "gguf": Builder._gguf_files,
    "adapter": Builder._adapter_files,
    "pipeline": Builder._pipeline,
    "files": Builder._settings,
}


def count_parameters(tensors: Iterable[StoredTensor]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tensor in tensors:
        if tensor.parameters:
            counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.parameters
    return counts


@lru_cache(maxsize=2048)
def count_stored_parameters(g: Geometry, scheme: Scheme | None) -> tuple[tuple[str, int], ...]:
    """Parameters by type, as the Hub counts them; computed once for all repos of the same kind."""
    if scheme is None:
        return ((g.dtype, parameters_of(g)),)
    alike = Counter((t.role, t.shape, t.experts, is_packed(t, scheme)) for t in plan_of(g))
    counts: Counter[str] = Counter()
    for (role, shape, experts, packed), times in alike.items():
        one = Tensor("x.weight", shape, role, None, None, experts)
        parts = pack(one, scheme) if packed else [StoredTensor("x", scheme.dtype, shape, experts)]
        for dtype, parameters in count_parameters(parts).items():
            counts[dtype] += times * parameters
    return tuple(counts.items())


@lru_cache(maxsize=1024)
def make_shards(g: Geometry, scheme: Scheme | None, largest: int, total_parameters: int | None) -> Shards:
    """The files of a model's weights; repos of the same kind share the computed sizes."""
    return Shards(lambda: list(store_tensors(plan_of(g), g, scheme)), largest, total_parameters)


def split_words(text: str) -> set[str]:
    found = set(text.lower().replace("_", "-").split("/")[-1].split("-"))
    return found | ({"it"} if found & {"instruct", "chat", "thinking", "r1", "oss"} else set())


def scheme_tags(scheme: Scheme) -> list[str]:
    """What the Hub adds for a quantization that config.json states."""
    if scheme.method.startswith("mlx"):
        return ["mlx", f"{scheme.bits}-bit"]
    if scheme.method.startswith("modelopt"):
        return ["8-bit", "modelopt"]
    named = {"bnb-4bit": ["4-bit", "bitsandbytes"], "bnb-8bit": ["8-bit", "bitsandbytes"]}
    if scheme.method in named:
        return named[scheme.method]
    if scheme.method in ("gptq", "awq", "exl2", "exl3", "auto-round", "mxfp4", "aqlm", "bitnet"):
        bits = {"mxfp4": 8, "aqlm": 2, "bitnet": 2}.get(scheme.method, scheme.bits)
        return [f"{bits}-bit", scheme.method]
    if "quantized" in scheme.method:
        return ["compressed-tensors"]
    return ["fp8"] if scheme.method in ("fp8", "fbgemm_fp8") else [scheme.method]
