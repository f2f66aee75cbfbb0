"""Small tokenizers whose pipelines are those that known models publish in tokenizer.json.

Normalizers, pre-tokenizers, post-processors, decoders and the flags of added tokens are written
as the family named beside them has them; only the vocabulary is trained here, on a few sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tokenizer_models import byte_fallback_bpe, byte_level_bpe, metaspace_bpe, unigram, word_piece

Json = dict[str, Any]

# The patterns as they are published.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (  # Mistral Nemo has it without the contractions, Phi-4-mini as it stands
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"

BYTE_LEVEL: Json = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
BYTES_ONLY: Json = {**BYTE_LEVEL, "use_regex": False}
PREPEND: Json = {"type": "Prepend", "prepend": "▁"}
SPACES: Json = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
UNSPACES: Json = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
FUSED: list[Json] = [UNSPACES, {"type": "ByteFallback"}, {"type": "Fuse"}]
STRIP: Json = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
METASPACE: Json = {
    "type": "Metaspace",
    "replacement": "▁",
    "prepend_scheme": "always",
    "split": True,
}


def sequence(*parts: Json, of: str) -> Json:
    return {"type": "Sequence", of: list(parts)}


def split(pattern: str, behavior: str = "Isolated", kind: str = "Regex") -> Json:
    return {
        "type": "Split",
        "pattern": {kind: pattern},
        "behavior": behavior,
        "invert": False,
    }


def added(content: str, **flags: bool) -> Json:
    defaults = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    return {"content": content, **defaults, **flags}


def template(before: str | None, after: str | None = None) -> Json:
    """`TemplateProcessing`; `assemble` fills in the ids."""
    parts = [{"Sequence": {"id": "A", "type_id": 0}}]
    if before:
        parts.insert(0, {"SpecialToken": {"id": before, "type_id": 0}})
    if after:
        parts.append({"SpecialToken": {"id": after, "type_id": 0}})
    pair = [*parts, {"Sequence": {"id": "B", "type_id": 1}}]
    special = {name: {"id": name, "tokens": [name]} for name in (before, after) if name}
    return {"type": "TemplateProcessing", "single": parts, "pair": pair, "special_tokens": special}


def numbered_processor(processor: Json | None, ids: dict[str, int]) -> Json | None:
    """The post-processor with the ids of the tokens it names."""
    if processor is None:
        return None
    if processor["type"] == "Sequence":
        steps = [numbered_processor(step, ids) for step in processor["processors"]]
        return {**processor, "processors": steps}
    if processor["type"] == "TemplateProcessing":
        special = {n: {**t, "ids": [ids[n]]} for n, t in processor["special_tokens"].items()}
        return {**processor, "special_tokens": special}
    if processor["type"] == "RobertaProcessing":
        return {
            **processor,
            **{key: [processor[key], ids[processor[key]]] for key in ("sep", "cls")},
        }
    return processor


def assemble(
    model: Json,
    tokens: Sequence[Json],
    *,
    normalizer: Json | None = None,
    pre_tokenizer: Json | None = None,
    post_processor: Json | None = None,
    decoder: Json | None = None,
) -> Json:
    """A tokenizer.json; added tokens that the vocabulary lacks get the ids after it."""
    vocab = model["vocab"]
    ids = dict(vocab) if isinstance(vocab, dict) else {t: i for i, (t, _) in enumerate(vocab)}
    for token in tokens:
        ids.setdefault(token["content"], len(ids))
    numbered = [{"id": ids[token["content"]], **token} for token in tokens]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(numbered, key=lambda token: token["id"]),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": numbered_processor(post_processor, ids),
        "decoder": decoder,
        "model": model,
    }


# ------------------------------------------------------------------------------------- families


def gpt2() -> Json:
    """GPT-2: its one special token is normalized, which nothing does."""
    return assemble(
        byte_level_bpe(),
        [added("<|endoftext|>", normalized=True)],
        pre_tokenizer=BYTE_LEVEL,
        post_processor={**BYTE_LEVEL, "add_prefix_space": True, "trim_offsets": False},
        decoder={**BYTE_LEVEL, "add_prefix_space": True},
    )


def pythia() -> Json:
    """GPT-NeoX, Pythia, OLMo: runs of spaces are added tokens."""
    spaces = [added(" " * n, special=False, normalized=True) for n in (24, 8, 4, 3, 2)]
    return assemble(
        byte_level_bpe(),
        [added("<|endoftext|>"), added("<|padding|>"), *spaces],
        normalizer={"type": "NFC"},
        pre_tokenizer=BYTE_LEVEL,
        post_processor=BYTE_LEVEL,
        decoder=BYTE_LEVEL,
    )


def smollm2() -> Json:
    """SmolLM2, StarCoder, Granite: each digit for itself."""
    digits = sequence({"type": "Digits", "individual_digits": True}, BYTE_LEVEL, of="pretokenizers")
    return assemble(
        byte_level_bpe(),
        [added("<|endoftext|>"), added("<|im_start|>"), added("<|im_end|>")],
        pre_tokenizer=digits,
        decoder={**BYTE_LEVEL, "add_prefix_space": True},
    )


def llama3() -> Json:
    """Llama 3, SmolLM3, LFM2: whole words of the vocabulary need no merges."""
    pre = sequence(split(LLAMA3), BYTES_ONLY, of="pretokenizers")
    begin = "<|begin_of_text|>"
    post = sequence({**BYTE_LEVEL, "add_prefix_space": True}, template(begin), of="processors")
    model = byte_level_bpe(ignore_merges=True)
    model["vocab"]["Ġbelow"] = len(model["vocab"])  # no merges lead there
    return assemble(
        model,
        [added(begin), added("<|eot_id|>"), added("<|start_header_id|>")],
        pre_tokenizer=pre,
        post_processor=post,
        decoder={**BYTE_LEVEL, "add_prefix_space": True},
    )


def qwen2() -> Json:
    """Qwen2, Qwen3: NFC, and tokens that are added and not special."""
    pre = sequence(split(QWEN2), BYTES_ONLY, of="pretokenizers")
    return assemble(
        byte_level_bpe(),
        [
            added("<|endoftext|>"),
            added("<|im_start|>"),
            added("<|im_end|>"),
            added("<tool_call>", special=False),
            added("<think>", special=False),
            added("</think>", special=False),
        ],
        normalizer={"type": "NFC"},
        pre_tokenizer=pre,
        post_processor=BYTES_ONLY,
        decoder=BYTES_ONLY,
    )


def o200k() -> Json:
    """Phi-4-mini; Mistral Nemo splits nearly so."""
    pre = sequence(split(O200K), BYTES_ONLY, of="pretokenizers")
    return assemble(
        byte_level_bpe(),
        [added("<|endoftext|>"), added("<|end|>", rstrip=True), added("<|user|>", rstrip=True)],
        pre_tokenizer=pre,
        post_processor=BYTE_LEVEL,
        decoder=BYTE_LEVEL,
    )


def deepseek() -> Json:
    """DeepSeek V2, V3 and R1: three splits, one after the other."""
    pre = sequence(
        split(r"\p{N}{1,3}"),
        split("[一-龥぀-ゟ゠-ヿ]+"),
        split(DEEPSEEK),
        BYTES_ONLY,
        of="pretokenizers",
    )
    begin = "<｜begin▁of▁sentence｜>"
    return assemble(
        byte_level_bpe(),
        [
            added(begin),
            added("<｜end▁of▁sentence｜>"),
            added("<｜User｜>", special=False),
            added("<think>", special=False, normalized=True),
        ],
        normalizer=sequence(of="normalizers"),
        pre_tokenizer=pre,
        post_processor=template(begin),
        decoder={**BYTE_LEVEL, "add_prefix_space": True},
    )


def falcon() -> Json:
    """Falcon: punctuation in runs, digits by three."""
    pre = sequence(
        {"type": "Punctuation", "behavior": "Contiguous"},
        BYTE_LEVEL,
        {"type": "Digits", "individual_digits": False},
        split("[0-9][0-9][0-9]"),
        of="pretokenizers",
    )
    return assemble(
        byte_level_bpe(),
        [added(">>TITLE<<"), added("<|endoftext|>")],
        pre_tokenizer=pre,
        post_processor=BYTE_LEVEL,
        decoder={**BYTE_LEVEL, "add_prefix_space": True},
    )


def bloom() -> Json:
    """BLOOM: its character class is one of Oniguruma's own."""
    pre = sequence(split(BLOOM), BYTES_ONLY, of="pretokenizers")
    return assemble(
        byte_level_bpe(),
        [added("<s>"), added("</s>")],
        pre_tokenizer=pre,
        post_processor={**BYTE_LEVEL, "add_prefix_space": True, "trim_offsets": False},
        decoder={**BYTE_LEVEL, "add_prefix_space": True},
    )


def roberta() -> Json:
    """RoBERTa, and OPT's kind of special tokens: <mask> takes the spaces before it."""
    return assemble(
        byte_level_bpe(),
        [
            added("<s>", normalized=True),
            added("</s>", normalized=True),
            added("<mask>", normalized=True, lstrip=True),
        ],
        pre_tokenizer={**BYTE_LEVEL, "add_prefix_space": True},
        post_processor={
            "type": "RobertaProcessing",
            "sep": "</s>",
            "cls": "<s>",
            "trim_offsets": True,
            "add_prefix_space": False,
        },
        decoder=BYTE_LEVEL,
    )


def llama2() -> Json:
    """Llama 2, TinyLlama, Mistral 7B v0.1: the legacy form, a normalizer prepends ▁."""
    return assemble(
        byte_fallback_bpe(),
        [added("<unk>"), added("<s>"), added("</s>")],
        normalizer=sequence(PREPEND, SPACES, of="normalizers"),
        post_processor=template("<s>"),
        decoder=sequence(*FUSED, STRIP, of="decoders"),
    )


def mistral() -> Json:
    """Mistral 7B v0.3: ▁ is prepended by Metaspace, to the first section of a text alone."""
    return assemble(
        byte_fallback_bpe(),
        [added("<unk>"), added("<s>"), added("</s>"), added("[INST]"), added("[/INST]")],
        pre_tokenizer={**METASPACE, "prepend_scheme": "first", "split": False},
        post_processor=template("<s>"),
        decoder=sequence(*FUSED, STRIP, of="decoders"),
    )


def phi3() -> Json:
    """Phi-3: Llama 2's form, and tokens that take the spaces after them."""
    return assemble(
        byte_fallback_bpe(),
        [
            added("<unk>"),
            added("<s>"),
            added("</s>", special=False, rstrip=True),
            added("<|endoftext|>"),
            added("<|assistant|>", rstrip=True),
            added("<|end|>", rstrip=True),
            added("<|user|>", rstrip=True),
        ],
        normalizer=sequence(PREPEND, SPACES, of="normalizers"),
        post_processor=template("<s>"),
        decoder=sequence(*FUSED, STRIP, of="decoders"),
    )


def gemma() -> Json:
    """Gemma: no ▁ at the start; runs of spaces and newlines are added tokens."""
    runs = ["\n\n", "\n\n\n", "▁▁", "▁▁▁▁", "\t\t"]
    return assemble(
        byte_fallback_bpe(),
        [
            added("<unk>"),
            added("<s>"),
            added("</s>"),
            added("<start_of_turn>"),
            added("<end_of_turn>"),
            *(added(run, special=False) for run in runs),
        ],
        normalizer=SPACES,
        pre_tokenizer=split(" ", "MergedWithPrevious", "String"),
        post_processor=template("<s>"),
        decoder=sequence(*FUSED, of="decoders"),
    )


def metaspace() -> Json:
    """CodeLlama's and other converted tokenizers' older form: Metaspace both ways, no bytes."""
    return assemble(
        metaspace_bpe(),
        [added("<unk>"), added("<s>"), added("</s>")],
        pre_tokenizer=METASPACE,
        decoder=METASPACE,
    )


def t5() -> Json:
    """T5 and XGLM without their compiled character map, which has an oracle of its own."""
    return assemble(
        unigram(byte_fallback=False),
        [added("<pad>"), added("</s>"), added("<unk>"), added("<extra_id_0>", lstrip=True)],
        normalizer={"type": "NFKC"},
        pre_tokenizer=sequence({"type": "WhitespaceSplit"}, METASPACE, of="pretokenizers"),
        post_processor=template(None, "</s>"),
        decoder=METASPACE,
    )


def llm_jp() -> Json:
    """llm-jp's kind: Unigram that spells what it lacks in bytes."""
    return assemble(
        unigram(byte_fallback=True),
        [added("<pad>"), added("</s>"), added("<unk>")],
        normalizer={"type": "NFKC"},
        pre_tokenizer={**METASPACE, "prepend_scheme": "first", "split": False},
        post_processor=template(None, "</s>"),
        decoder=sequence(*FUSED, STRIP, of="decoders"),
    )


def bert() -> Json:
    """BERT, uncased."""
    return assemble(
        word_piece(),
        [added(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")],
        normalizer={
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor=template("[CLS]", "[SEP]"),
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
    )


def flags() -> Json:
    """No family: added tokens with every flag, and one inside another."""
    return assemble(
        byte_fallback_bpe(),
        [
            added("<unk>"),
            added("<s>"),
            added("</s>"),
            added("fox", special=False, single_word=True),
            added("<l>", lstrip=True),
            added("<r>", rstrip=True),
            added("<lr>", lstrip=True, rstrip=True),
            added("<n> x", special=False, normalized=True),
            added("<|a|>"),
            added("<|a|><|b|>"),
            added("river", special=False, normalized=True, single_word=True, lstrip=True),
        ],
        normalizer=sequence(PREPEND, SPACES, of="normalizers"),
        decoder=sequence(*FUSED, STRIP, of="decoders"),
    )


FAMILIES: Sequence[Callable[[], Json]] = (
    gpt2,
    pythia,
    smollm2,
    llama3,
    qwen2,
    o200k,
    deepseek,
    falcon,
    bloom,
    roberta,
    llama2,
    mistral,
    phi3,
    gemma,
    metaspace,
    t5,
    llm_jp,
    bert,
    flags,
)
