"""One model with random weights, in the three formats of the bench.

    python benchmarks/browser/weights.py onnx MODEL OUT
    python benchmarks/browser/weights.py gguf MODEL OUT

`onnx` needs optimum and onnx-ir, `gguf` the package of that name: so they run in an interpreter of
their own. `write_model` and `site` need what sitegen needs.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE.parents[1] / "tests")]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
SPACE = "Ġ"  # as byte-level BPE writes it
TINY = {"hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 2048}
"""The model of --quick."""

# -- the model -----------------------------------------------------------------------------------


def write_model(folder: Path, shape: str) -> Path:
    """A folder as `save_pretrained` writes it, of a released shape or "tiny". Returns it."""
    import full_size
    from tiny_models import CHAT_TEMPLATE, write_model

    if shape == "tiny":
        write_model(folder, **TINY)
    else:
        full_size.write(folder, shape)
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"bos_token_id": 0, "eos_token_id": 0}
    path.write_text(json.dumps(config, indent=1))
    tokenizer = tokenizer_of(config["vocab_size"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    values = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": SPECIAL[0],
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(values))
    _never_say_bytes(folder / "model.safetensors")
    return folder


def _never_say_bytes(path: Path) -> None:
    """Shrink the first rows of the tied embedding: a random model would choose bytes that are no
    text, on which wllama 3.8.1 ends, and special tokens, which no text shows."""
    start, end, shape = _layout(path)["model.embed_tokens.weight"]
    bits = np.memmap(path, np.uint16, "r+", offset=start, shape=((end - start) // 2,))
    rows = bits[: (len(SPECIAL) + 256) * shape[1]]
    rows[:] = ((rows.astype("<u4") << 16).view("<f4") / 16).view("<u4") >> 16
    bits.flush()


def words() -> Iterator[str]:
    """Texts that are one token each wherever they stand, without the space before them."""
    for length in (1, 2, 3, 4):
        yield from map("".join, itertools.product(LETTERS, repeat=length))


def tokenizer_of(size: int) -> dict[str, Any]:
    """tokenizer.json: byte-level BPE of exactly `size` tokens, all in use.

    Every token but bytes is " " and letters, reached by appending one letter after another. So
    a random reply is encoded to the ids it was decoded from, as a real one nearly always is;
    without that nothing of a chat's earlier turns could be used again.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*SPECIAL, *alphabet]
    merges = []
    for word in words():
        if len(tokens) == size:
            break
        tokens.append(SPACE + word)
        merges.append((SPACE + word[:-1], word[-1]))
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    written: dict[str, Any] = json.loads(tokenizer.to_str())
    return written


# -- for sitegen ---------------------------------------------------------------------------------

PAGE = """---
title: Bench
model: { id: ./model, quantization: q4 }
---

```chat
title: Bench
```
"""


def site(model: Path, out: Path) -> None:
    """The site that `sitegen build` makes of one page with a chat; q4 is the default, which on
    WebAssembly means int8."""
    from sitegen.site import build

    root = out.parent / "author"
    (root / "content").mkdir(parents=True, exist_ok=True)
    (root / "content" / "index.md").write_text(PAGE)
    (root / "sitegen.toml").write_text('[site]\ntitle = "Bench"\n')
    if not (root / "model").exists():
        (root / "model").symlink_to(model, target_is_directory=True)
    build(root, output=out)


# -- for transformers.js -------------------------------------------------------------------------


def onnx(model: Path, out: Path) -> None:
    """By optimum, then as transformers.js' own conversion script does it: q8 is onnxruntime's
    dynamic int8 of every operator that has it, q4 is MatMulNBits in blocks of 32, symmetric."""
    from optimum.exporters.onnx import main_export

    traced = out.with_name("traced")
    task = "text-generation-with-past"
    main_export(str(model), output=str(traced), task=task, local_files_only=True)
    graph = traced / "model.onnx"

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    (out / "onnx").mkdir(parents=True)
    quantize_dynamic(
        graph,
        out / "onnx" / "model_quantized.onnx",
        weight_type=QuantType.QInt8,
        extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
    )
    quantizer = MatMulNBitsQuantizer(onnx.load(graph), block_size=32, is_symmetric=True)
    quantizer.process()
    quantizer.model.save_model_to_file(str(out / "onnx" / "model_q4.onnx"), False)
    for name in ("config.json", "generation_config.json"):
        shutil.copy(traced / name, out / name)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model / name, out / name)
    shutil.rmtree(traced)


# -- for wllama ----------------------------------------------------------------------------------

GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf(model: Path, out: Path) -> None:
    """model-q8_0.gguf and model-q4_0.gguf, with the types that llama-quantize gives these shapes:
    norms and biases stay float32, and where the head is the embedding it stays 8 bits in q4_0
    (llama-quantize means Q6_K there, and takes Q8_0 for rows not divisible by 256, as these)."""
    import gguf
    from gguf.quants import quantize

    config = json.loads((model / "config.json").read_text())
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    tied = config["tie_word_embeddings"]
    out.mkdir(parents=True)
    kinds = gguf.GGMLQuantizationType
    for file, kind in (("model-q8_0.gguf", kinds.Q8_0), ("model-q4_0.gguf", kinds.Q4_0)):
        writer = gguf.GGUFWriter(out / file, config["model_type"])
        _describe(writer, config, tokenizer, model)
        for name, values in _tensors(model / "model.safetensors"):
            to = _gguf_name(name)
            if config["model_type"] == "llama" and ".weight" in name and "self_attn" in name:
                values = _interleaved(name, values, config)
            if values.ndim == 1:
                writer.add_tensor(to, values)
                continue
            is_head = to == "output.weight" or (tied and to == "token_embd.weight")
            of = kinds.Q8_0 if is_head else kind
            writer.add_tensor(to, quantize(values, of), raw_dtype=of)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _describe(writer: Any, config: dict[str, Any], tokenizer: dict[str, Any], model: Path) -> None:
    """The keys that llama.cpp reads, as its own converter writes them."""
    heads = config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    tokens = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])  # control, normal
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    template = json.loads((model / "tokenizer_config.json").read_text())["chat_template"]
    writer.add_chat_template(template)


def _gguf_name(name: str) -> str:
    """llama.cpp's name of a tensor of transformers."""
    ends = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    stem, _, kind = name.rpartition(".")
    if stem in ends:
        return f"{ends[stem]}.{kind}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{GGUF_NAMES[part]}.{kind}"


def _interleaved(name: str, values: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Rows of q and k in the order in which llama.cpp rotates a Llama's."""
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    part = name.split(".")[-2]
    if part not in heads:
        return values
    halves = values.reshape(heads[part], 2, -1, values.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)


def _tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """float32 values of a bfloat16 safetensors file."""
    stored = np.memmap(path, np.uint8, "r")
    for name, (start, end, shape) in _layout(path).items():
        bits = stored[start:end].view("<u2").astype("<u4") << 16
        yield name, bits.view("<f4").reshape(shape)


def _layout(path: Path) -> dict[str, tuple[int, int, list[int]]]:
    """Name → first byte in the file, the one after the last, shape of a bfloat16 tensor."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    assert {entry["dtype"] for entry in header.values()} == {"BF16"}
    return {
        name: (*(8 + length + offset for offset in entry["data_offsets"]), entry["shape"])
        for name, entry in header.items()
    }


FORMATS: dict[str, Callable[[Path, Path], None]] = {"site": site, "onnx": onnx, "gguf": gguf}

if __name__ == "__main__":
    name, model, out = sys.argv[1:]
    FORMATS[name](Path(model), Path(out))
