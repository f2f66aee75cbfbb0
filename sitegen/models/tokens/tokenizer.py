"""What the browser must know about a model's text: vocabulary, special tokens, chat template."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError
from tokenizers import Tokenizer

from sitegen.errors import ModelError
from sitegen.models.fields import Fields, read_json
from sitegen.models.tokens import pipeline, template
from sitegen.texts import Prompt

TEMPLATE_HINT = "See `chat_template` in tokenizer_config.json, or chat_template.jinja."


@dataclass(frozen=True)
class Text:
    """The text side of a model, read from its tokenizer and generation files."""

    tokenizer: Path
    left_out: frozenset[str]  # special tokens that the weights have no row for
    bos_token: str | None
    eos_token: str | None
    eos_token_ids: tuple[int, ...]
    chat_template: str | None
    generation: Mapping[str, int | float]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids as the browser makes them: a user's message where there is a chat template,
        else the plain text with the tokenizer's own special tokens."""
        return self.encode_prompts([Prompt(text) for text in texts])

    def encode_prompts(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Token ids as the apps make them: see sitegen/runtime/elements/."""
        tokenizer = self._load()
        return [self._encode(tokenizer, prompt) for prompt in prompts]

    def _encode(self, tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
        given = (("system", prompt.system), ("user", prompt.text))
        said = {role: _without_surrogates(text) for role, text in given if text}
        if self.chat_template is None or not prompt.is_chat:
            return list(tokenizer.encode("\n\n".join(said.values())).ids)
        text = self._render([{"role": role, "content": said[role]} for role in said])
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    def pieces(self, text: str, length: int) -> list[list[int]]:
        """The token ids of a plain text in pieces of at most `length`, each with the special tokens
        that the tokenizer puts around a text."""
        tokenizer = self._load()
        tokenizer.enable_truncation(length)
        whole = tokenizer.encode(_without_surrogates(text))
        return [list(piece.ids) for piece in (whole, *whole.overflowing) if piece.ids]

    def packed(self) -> bytes:
        """tokenizer.json for the browser, gzip: all that the Python library understood of it, with
        every default written out. Gemma's 33 MB would be more than some hosts take in one file."""
        compress = zlib.compressobj(9, wbits=31)  # a header without time and name: the same bytes
        return compress.compress(self._load().to_str().encode()) + compress.flush()

    def _load(self) -> Tokenizer:
        try:
            if self.left_out:
                values = read_json(self.tokenizer)
                values["added_tokens"] = [
                    token
                    for token in values["added_tokens"]
                    if token["content"] not in self.left_out
                ]
                tokenizer = Tokenizer.from_str(json.dumps(values))
            else:
                tokenizer = Tokenizer.from_file(str(self.tokenizer))
        except Exception as error:  # the library raises nothing more exact
            raise ModelError(
                f"the tokenizer cannot be read: {error}",
                where=self.tokenizer,
                hint="Save the fast tokenizer again with `save_pretrained`.",
            ) from None
        tokenizer.no_truncation()  # left over from training; the browser knows of neither
        tokenizer.no_padding()
        return tokenizer

    def _render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The conversation as transformers and the browser render it."""
        assert self.chat_template is not None
        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        try:
            return template.render(self.chat_template, messages, tokens)
        except Exception as error:  # a template is a program: it may raise anything
            raise ModelError(
                f"the chat template cannot render one user message: {error}",
                where=self.tokenizer.parent,
                hint=TEMPLATE_HINT,
            ) from None


def read_text(files: Mapping[str, Path], vocab_size: int) -> Text:
    """The text side of a model; raises ModelError when tokenizer and weights do not fit."""
    path = files["tokenizer.json"]
    tokenizer = read_json(path)
    ids = _vocabulary(path, tokenizer)
    if unknown := pipeline.unknown_parts(tokenizer):
        raise ModelError(
            f"the browser cannot make this tokenizer's tokens: it does not know "
            f"{', '.join(unknown)}",
            where=path,
            hint="Its tokens would be others than those the model was trained on. Choose a model "
            "with another tokenizer.",
        )
    config = _optional(files, "tokenizer_config.json")
    special = _optional(files, "special_tokens_map.json")
    bos, eos = (
        _token(config.get(key)) or _token(special.get(key)) for key in ("bos_token", "eos_token")
    )
    # Gemma 3 has one more token than its text model has rows: it stands for an image.
    left_out = frozenset(
        token["content"]
        for token in tokenizer.get("added_tokens") or ()
        if token.get("special") and token["id"] >= vocab_size
    ) - {bos, eos}
    ids = {token: id for token, id in ids.items() if token not in left_out}
    if max(ids.values(), default=-1) >= vocab_size:
        token, highest = max(ids.items(), key=lambda item: item[1])
        raise ModelError(
            f"the tokenizer knows {highest + 1} tokens (the last is {token!r}), but vocab_size in "
            f"config.json is {vocab_size}",
            where=path,
            hint="The tokenizer and the weights belong to different models, or the embeddings were "
            "not resized after tokens were added.",
        )
    if not ids:
        raise ModelError("the tokenizer has an empty vocabulary", where=path)
    return Text(
        tokenizer=path,
        left_out=left_out,
        bos_token=bos,
        eos_token=eos,
        eos_token_ids=_eos_ids(files, vocab_size, ids.get(eos) if eos else None),
        chat_template=_known_template(files, config),
        generation=_generation(files),
    )


def _without_surrogates(text: str) -> str:
    """A lone surrogate, which JSON and YAML can write, has no UTF-8 form and no tokens."""
    return text.encode(errors="replace").decode()


def _optional(files: Mapping[str, Path], name: str) -> dict[str, Any]:
    return read_json(files[name]) if name in files else {}


def _vocabulary(path: Path, tokenizer: dict[str, Any]) -> dict[str, int]:
    """Every token of a tokenizer.json and its id."""
    try:
        vocab = tokenizer["model"]["vocab"]
        if isinstance(vocab, list):  # Unigram: [[token, score], …] in order of their ids
            vocab = {token: i for i, (token, _) in enumerate(vocab)}
        added = {t["content"]: t["id"] for t in tokenizer.get("added_tokens") or ()}
        ids: dict[str, int] = {**vocab, **added}
        if not all(type(i) is int and i >= 0 for i in ids.values()):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise ModelError(
            "this is not a tokenizer.json: `model.vocab` with a number for each token was expected",
            where=path,
            hint="Save the fast tokenizer with `save_pretrained`.",
        ) from None
    return ids


def _token(value: Any) -> str | None:
    """A special token, written as a text or as an object with `content`."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) and value else None


def _eos_ids(files: Mapping[str, Path], vocab_size: int, named: int | None) -> tuple[int, ...]:
    """The ids that end an answer: those of config.json, generation_config.json, the tokenizer."""
    found: list[int] = []
    for name in ("generation_config.json", "config.json"):
        value = _optional(files, name).get("eos_token_id")
        for id in value if isinstance(value, list) else [] if value is None else [value]:
            if type(id) is not int or not 0 <= id < vocab_size:
                raise ModelError(
                    f"`eos_token_id` is {value!r}; token ids below {vocab_size} are expected",
                    where=files[name],
                )
            found.append(id)
    if named is not None:
        found.append(named)
    return tuple(dict.fromkeys(found))


def _known_template(files: Mapping[str, Path], config: Mapping[str, Any]) -> str | None:
    """The chat template; raises ModelError when the browser could not render it."""
    source = _chat_template(files, config)
    if source is None:
        return None
    path = files.get("chat_template.jinja") or files["tokenizer_config.json"]
    try:
        unknown = template.unknown_parts(source)
    except TemplateSyntaxError as error:
        raise ModelError(
            f"the chat template is not Jinja: line {error.lineno}: {error.message}",
            where=path,
            hint=TEMPLATE_HINT,
        ) from None
    if unknown:
        some = "; ".join(unknown[:3]) + (f"; {len(unknown) - 3} more" if len(unknown) > 3 else "")
        raise ModelError(
            f"the chat template uses what the browser does not know: {some}",
            where=path,
            hint="Write that part of the template another way.",
        )
    return source


def _chat_template(files: Mapping[str, Path], config: Mapping[str, Any]) -> str | None:
    if "chat_template.jinja" in files:
        path = files["chat_template.jinja"]
        try:
            return path.read_text(encoding="utf-8") or None
        except UnicodeDecodeError:
            raise ModelError("the chat template is not UTF-8 text", where=path) from None
    source = config.get("chat_template")
    if isinstance(source, list):  # named templates
        named = {t.get("name"): t.get("template") for t in source if isinstance(t, dict)}
        if "default" not in named:
            raise ModelError(
                "`chat_template` lists templates, but none is named 'default'",
                where=files["tokenizer_config.json"],
                hint=f"Found: {', '.join(str(name) for name in named) or 'none'}.",
            )
        source = named["default"]
    if source is not None and not isinstance(source, str):
        raise ModelError(
            "`chat_template` is neither a text nor a list of named texts",
            where=files["tokenizer_config.json"],
        )
    return source or None


def _generation(files: Mapping[str, Path]) -> dict[str, int | float]:
    """Sampling defaults of generation_config.json, as far as the browser knows them."""
    if "generation_config.json" not in files:
        return {}
    path = files["generation_config.json"]
    fields = Fields(read_json(path), path)
    values: dict[str, int | float] = {}
    if fields.values.get("do_sample") is False or fields.values.get("temperature") == 0:
        values["temperature"] = 0
    elif fields.values.get("temperature") is not None:
        values["temperature"] = fields.number("temperature")
    if fields.values.get("top_k") is not None:
        values["top_k"] = fields.integer("top_k", low=0)
    for key, off in (("top_p", None), ("min_p", 0)):
        if fields.values.get(key) not in (None, off):
            values[key] = fields.number(key)
            if values[key] > 1:
                raise fields.error(key, f"is {values[key]}; at most 1 is expected")
    if fields.values.get("repetition_penalty") is not None:
        values["repetition_penalty"] = fields.number("repetition_penalty")
    if fields.values.get("max_new_tokens") is not None:
        values["max_new_tokens"] = fields.integer("max_new_tokens")
    return values
