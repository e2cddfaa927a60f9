"""The facts of repos are compressed, with a dictionary of the words that most of them have: a quarter of the bytes.

What db/packed_text.py does, written out here, because that module may get another dictionary.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0027_packed_facts"
down_revision = "0026_metrics_index"
branch_labels = None
depends_on = None

BATCH = 2000
"""Repos whose facts are in memory at once."""

DICTIONARY = (
    b'"PeftModel","adapter_config":{"base_model_name_or_path":"","bias":"none","lora_alpha":32,"lora_dropout":0.05,'
    b'"peft_type":"LORA","r":16,"target_modules":["q_proj","k_proj","v_proj","o_proj","gate_proj","up_proj","down_proj"'
    b'],"task_type":"CAUSAL_LM","SEQ_CLS"},"auto_map":{"AutoConfig":"configuration_.","AutoModel":"modeling_."},'
    b'"diffusers":{"_class_name":"StableDiffusionPipeline","StableDiffusionXLPipeline","FluxPipeline"},'
    b'"quantization_config":{"_load_in_4bit":true,"_load_in_8bit":false,"bits":4,"bnb_4bit_compute_dtype":"bfloat16",'
    b'"bnb_4bit_quant_storage":"uint8","bnb_4bit_quant_type":"nf4","bnb_4bit_use_double_quant":true,"config_groups":{'
    b'"group_0":{"weights":{"num_bits":8,"strategy":"channel","symmetric":true,"type":"float"}}},"desc_act":false,'
    b'"format":"float-quantized","group_size":128,"load_in_4bit":true,"load_in_8bit":false,"quant_method":'
    b'"compressed-tensors","quant_method":"gptq","quant_method":"awq","quant_method":"fp8","quant_method":"bitsandbytes"'
    b'},"quantization":{"bits":4,"group_size":64,"mode":"affine"},"extra":{"datasets":[],"models":[],"spaces":[],"sdk":'
    b'"gradio","sdk":"static","sdk":"docker","short_description":"","emoji":"","colorFrom":"","colorTo":"","pinned":'
    b'false,"app_file":"app.py","sdk_version":"","size_categories":["n<1K","1K<n<10K"],"task_categories":["pretty_name"'
    b':"","dataset_info":{"features":[{"dtype":"string","name":"text"}],"splits":[{"name":"train","num_examples":'
    b'"configs":[{"config_name":"default","data_files":[{"path":"data/train-*","split":"train"}]}],'
    b'"attn_implementation":"eager","bos_token_id":1,"dtype":"bfloat16","eos_token_id":2,"head_dim":128,"hidden_size":'
    b'4096,"intermediate_size":14336,"layer_types":["full_attention","sliding_attention"],"max_position_embeddings":'
    b'131072,"num_attention_heads":32,"num_experts":128,"num_experts_per_tok":8,"num_hidden_layers":36,'
    b'"num_key_value_heads":8,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"sliding_window":4096,"tie_word_embeddings":'
    b'false,"torch_dtype":"float16","torch_dtype":"bfloat16","transformers_version":"4.","vocab_size":151936},'
    b'"widget":[{"text":""}],"metrics":["accuracy","f1","wer","bleu","rouge"],"model-index":[{"name":"","results":[]}],'
    b'"extra_gated_prompt":"","inference":false,"instance_prompt":"","license_link":"LICENSE","license_name":"",'
    b'"license":"creativeml-openrail-m","license":"cc-by-nc-4.0","license":"llama3.1","license":"llama3","license":'
    b'"gemma","license":"other","license":"openrail","license":"cc-by-4.0","license":"afl-3.0","license":"mit",'
    b'"model_creator":"","model_name":"","quantized_by":"mradermacher","prompt_template":"","summary":"","tags":['
    b'"trl","sft","dpo","unsloth","mergekit","merge","peft","lora","axolotl","stable-diffusion","text-to-image",'
    b'"sentence-transformers","sentence-similarity","feature-extraction","onnx","mlx","deep-reinforcement-learning",'
    b'"reinforcement-learning","llama-factory","base_model:adapter:","generated_from_trainer","transformers","gguf",'
    b'"conversational","pytorch","safetensors"]},"tokenizer_config":{"bos_token":"<s>","bos_token":"<|begin_of_text|>",'
    b'"chat_template":"{","eos_token":"</s>","eos_token":"<|eot_id|>","eos_token":"<|im_end|>","pad_token":"<pad>",'
    b'"unk_token":"<unk>","use_default_system_prompt":false},"gguf":{"architecture":"qwen2","architecture":"qwen3",'
    b'"architecture":"gemma3","architecture":"llama","bos_token":"<bos>","bos_token":"<|endoftext|>","causal":true,'
    b'"context_length":32768,"context_length":131072,"eos_token":"<eos>","total":,"totalFileSize":},"languages":["zh",'
    b'"fr","de","es","ja","ko","multilingual"],"architectures":["BertForSequenceClassification","BertForMaskedLM",'
    b'"BertModel","RobertaForSequenceClassification","XLMRobertaModel","DistilBertForSequenceClassification",'
    b'"WhisperForConditionalGeneration","T5ForConditionalGeneration","Wav2Vec2ForCTC","ViTForImageClassification",'
    b'"GPT2LMHeadModel","Gemma3ForConditionalGeneration","Gemma3ForCausalLM","MistralForCausalLM","MixtralForCausalLM",'
    b'"Phi3ForCausalLM","Qwen2ForCausalLM","Qwen3ForCausalLM","LlamaForCausalLM"],"model_type":"bert","model_type":'
    b'"roberta","model_type":"whisper","model_type":"t5","model_type":"gpt2","model_type":"gemma3_text","model_type":'
    b'"mistral","model_type":"qwen2","model_type":"qwen3","model_type":"llama"},"card":{"base_model":["meta-llama/Llama-'
    b'3.1-8B-Instruct","Qwen/Qwen2.5-7B-Instruct","base_model_relation":"quantized","datasets":["language":["en"],'
    b'"library_name":"diffusers","library_name":"sentence-transformers","library_name":"peft","library_name":'
    b'"transformers","license":"apache-2.0","pipeline_tag":"text-classification","pipeline_tag":"text-to-image",'
    b'"pipeline_tag":"image-text-to-text","pipeline_tag":"text-generation","tags":["text-generation"]},"config":{'
    b'"architectures":[""],"model_type":""},"languages":["en"],"safetensors":{"parameters":{"F32":,"F16":,"U8":,"I64":,'
    b'"I32":,"BF16":},"total":}}{"card":{"base_model":"'
)

WINDOW_BITS, MEMORY_LEVEL = -13, 5


def upgrade() -> None:
    rewrite(sa.LargeBinary(), pack)


def downgrade() -> None:
    rewrite(sa.Text(), unpack)


def rewrite(kind: sa.types.TypeEngine[Any], convert: Callable[[Any], Any]) -> None:
    """Makes the table again with facts of another type, a batch at a time."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "repo_facts_new",
        sa.Column("repo", sa.Integer() if is_sqlite else sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("facts", kind, nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_facts_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_repo_facts" if is_sqlite else "pk_repo_facts_new"),
        sqlite_strict=True,
    )
    mark = "?" if is_sqlite else "%s"
    select = f"select repo, facts from repo_facts where repo > {mark} order by repo limit {BATCH}"
    insert = f"insert into repo_facts_new (repo, facts) values ({mark}, {mark})"
    last = -1
    while rows := op.get_bind().exec_driver_sql(select, (last,)).all():
        op.get_bind().exec_driver_sql(insert, [(repo, convert(facts)) for repo, facts in rows])
        last = rows[-1][0]
    op.drop_table("repo_facts")
    op.rename_table("repo_facts_new", "repo_facts")
    if not is_sqlite:
        op.execute("alter table repo_facts rename constraint pk_repo_facts_new to pk_repo_facts")


def pack(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    stream = zlib.compressobj(6, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    packed = stream.compress(raw) + stream.flush()
    return b"\1" + packed if len(packed) < len(raw) else b"\0" + raw


def unpack(packed: bytes) -> str:
    rest = bytes(packed[1:])
    if packed[:1] == b"\1":
        rest = zlib.decompressobj(WINDOW_BITS, DICTIONARY).decompress(rest)
    return rest.decode("utf-8", "surrogatepass")
