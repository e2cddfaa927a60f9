"""Short JSON texts as compressed bytes: with a dictionary that both sides know, a text of 300 bytes takes about 80.

The first byte says how the rest is written: 0 as UTF-8, 1 as a raw DEFLATE stream (RFC 1951) whose window starts with
DICTIONARY. A catalog may hold texts of every kind that any version wrote, so neither ever changes: another dictionary
gets the next number.
"""

from __future__ import annotations

import zlib

PLAIN, DEFLATED = b"\0", b"\1"

MAX_UNPACKED_BYTES = 2**22
"""Of one text. What a listing says of a repo is far shorter (analysis/untrusted.py); few bytes may claim gigabytes."""

_WINDOW_BITS = -13  # raw, with a window of 8 KiB: its state is small, so that copying it costs little
_MEMORY_LEVEL = 5

# Keys of cards, configs and headers in the order of canonical JSON, with their frequent values. What is most frequent
# stands last, because nearer copies take fewer bits.
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

_fresh = zlib.compressobj(6, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
_fresh_copy = _fresh.copy  # to start from a copy takes a fifth of the time of setting the dictionary again


class PackedTextError(ValueError):
    """Bytes that are no packed text."""


def pack(text: str) -> bytes:
    """The bytes of a text, compressed where that is shorter; the same for equal texts."""
    raw = text.encode("utf-8", "surrogatepass")
    stream = _fresh_copy()
    packed = stream.compress(raw) + stream.flush()
    return DEFLATED + packed if len(packed) < len(raw) else PLAIN + raw


def unpack(packed: bytes) -> str:
    """The text of what `pack` made. Raises PackedTextError."""
    kind, rest = packed[:1], packed[1:]
    if kind == DEFLATED:
        stream = zlib.decompressobj(_WINDOW_BITS, DICTIONARY)
        try:
            rest = stream.decompress(rest, MAX_UNPACKED_BYTES)
        except zlib.error as error:
            raise PackedTextError(f"packed text is damaged: {error}") from None
        if not stream.eof or stream.unused_data:
            raise PackedTextError("packed text is cut off, too long, or followed by other bytes")
    elif kind != PLAIN:
        raise PackedTextError("packed text is of an unknown kind")
    try:
        return rest.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise PackedTextError("packed text is no UTF-8") from None
