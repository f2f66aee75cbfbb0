"""sitegen.toml and the model an author names: what may be written, and its defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator, model_validator

from . import toml
from .errors import ConfigError, Where
from .schema import WrongKey, describe, validate

Recipe = Literal["q4", "q8", "fp16", "fp32"]
BlockSize = Literal[16, 32, 64, 128, 256]
TableBits = Literal[4, 8]

FILE_NAME = "sitegen.toml"
SOURCE_FOLDERS = ("content", "static", "themes")
"""Folders of a site that hold what the author wrote: the output may not touch them."""

# A model's name is part of a file's name and of its address.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


ModelName = Annotated[str, Field(pattern=NAME_PATTERN)]
Filled = Annotated[str, Field(min_length=1)]


class Vocabulary(BaseModel):
    """Which tokens of a model stay; `vocabulary: prune` is short for all defaults."""

    model_config = STRICT

    keep: Annotated[tuple[Filled, ...], Strict(False)] | None = Field(default=None, min_length=1)
    """Scripts by Unicode's names: `[Latin, Cyrillic]`; default: those of the sample text."""
    text: Filled | None = None
    """A file of sample text, or a folder of them, relative to the site; default: the text and the
    prompts of the pages that use the model."""
    size: int | None = Field(default=None, ge=256)
    """At most so many tokens: what must stay, what the sample text uses, then the commonest."""


class Calibration(BaseModel):
    """What int4 is rounded for; `calibration: page` is short for `{by: page}`."""

    model_config = STRICT

    by: Literal["none", "generated", "page"] = "page"
    """generated: what the model writes by itself; page: what the pages that use it say, and what
    it answers to their prompts."""
    text: Filled | None = None
    """page: a file of text, or a folder of them, relative to the site, instead of the pages'."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _text_is_read(self) -> Self:
        if self.text is not None and self.by != "page":
            raise ValueError(f'holds "text", which "by: {self.by}" does not read; leave out one')
        return self


class Quantization(BaseModel):
    """How a model's weights are stored: a recipe by its name, or a mapping with options."""

    model_config = STRICT

    recipe: Recipe = "q4"
    """q4: int4 for WebGPU and int8 for WASM; q8: int8 for both; fp16: half precision for both;
    fp32: unquantized, for both."""
    block_size: BlockSize = 32
    """Weights that share a scale, q4 and q8; WASM's int8 has one scale a row instead."""
    symmetric: bool = True
    """q4: without zero points; with them 0.125 bits a weight more at blocks of 32, less error."""
    head_bits: TableBits | None = None
    """Of the output layer for WebGPU; default: as all others."""
    embedding_bits: TableBits | None = None
    """Of the token embeddings for WebGPU; default: as `head_bits`."""
    calibration: Calibration = Calibration(by="none")
    """q4: round for the inputs that the matrices have while the model reads: slow, and better."""
    min_agreement: float | None = Field(default=None, gt=0, le=1)
    """The build fails when a variant names the original's likeliest token less often than this."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"recipe": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _options_of_the_recipe(self) -> Self:
        options = {
            "q4": ("block_size", "symmetric", "head_bits", "embedding_bits", "calibration"),
            "q8": ("block_size",),
        }.get(self.recipe, ())
        for key in sorted(self.model_fields_set - {"recipe", "min_agreement", *options}):
            raise WrongKey(
                key,
                f'holds "{key}", which the recipe {self.recipe} does not have; it has: '
                f"{', '.join([*options, 'min_agreement'])}",
            )
        return self


class ModelSpec(BaseModel):
    """A model as an author names it, in front matter or in a `[models.NAME]` table."""

    model_config = STRICT

    id: str = Field(min_length=1)
    """`builtin:storyteller`, a folder of the site (`./my-model`), or `org/name` of the hub."""
    revision: str | None = None
    """Commit, tag or branch of a hub model; default: `main`. sitegen.lock pins it."""
    quantization: Quantization = Quantization()
    """q4, q8, fp16 or fp32; or a mapping with `recipe` and its options."""
    context: int | None = Field(default=None, ge=16)
    """Longest sequence in tokens; default: the model's own, at most 4096."""

    vocabulary: Vocabulary | None = None
    """Drop the tokens of languages that the author does not use; default: keep all."""

    @property
    def reads_pages(self) -> bool:
        """Whether the text of the pages that use the model may decide about its export."""
        return self.vocabulary is not None or self.quantization.calibration.by == "page"

    @field_validator("vocabulary", mode="before")
    @classmethod
    def _prune(cls, value: Any) -> Any:
        if value == "prune":
            return {}
        if value is None or isinstance(value, Mapping | Vocabulary):
            return value
        raise ValueError(
            f'must be "prune" or a mapping of keep, text or size, but is {describe(value)}'
        )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"id": value} if isinstance(value, str) else value


class SiteTable(BaseModel):
    """The `[site]` table."""

    model_config = STRICT

    title: str = Field(default="My site", min_length=1)
    """Shown on every page and in the browser's tab."""
    description: str = ""
    """One sentence for search engines, and for pages that have none of their own."""
    base_url: str | None = None
    """Where the site will live, `https://example.org/docs/`: for 404.html and the site map."""
    language: str = Field(default="en", min_length=2)
    """BCP 47 tag of the text: `en`, `de`, `pt-BR`."""
    author: str = ""
    """Named in the pages' metadata."""

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
        except ValueError as error:
            raise ValueError(f'is no address: {error}, in "{value}"') from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f'must start with https:// and a host, but is "{value}"')
        if parts.query or parts.fragment:
            raise ValueError(f'may not hold "?" or "#", but is "{value}"')
        # Two slashes at the start of a path would be another host to a browser.
        path = re.sub("//+", "/", f"{parts.path}/")
        return f"{parts.scheme}://{parts.netloc}{quote(unquote(path))}"


class BuildTable(BaseModel):
    """The `[build]` table."""

    model_config = STRICT

    output: str = Field(default="dist", min_length=1)
    """Folder the site is written to, inside the site's own folder."""
    drafts: bool = False
    """Publish pages marked `draft: true` as well."""


class ThemeTable(BaseModel):
    """The `[theme]` table."""

    model_config = STRICT

    name: str = Field(default="default", min_length=1)
    """A folder below `themes/`; what it does not hold comes from the default theme."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The theme's own settings; its theme.toml names them."""


class _File(BaseModel):
    """sitegen.toml as a whole: every table may be left out."""

    model_config = STRICT

    site: SiteTable = SiteTable()
    build: BuildTable = BuildTable()
    theme: ThemeTable = ThemeTable()
    models: dict[ModelName, ModelSpec] = Field(default_factory=dict)
    """Models that several pages share, by the name pages use."""


class SiteConfig(_File):
    """sitegen.toml, checked, and the folder it stands in."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / FILE_NAME

    @property
    def content(self) -> Path:
        return self.root / "content"

    @property
    def base_path(self) -> str:
        """The path of the site on its host, `/` or `/docs/`; not percent-encoded."""
        return unquote(urlsplit(self.site.base_url).path) if self.site.base_url else "/"

    def output_folder(self, override: Path | None = None) -> Path:
        """Where to write: `override` as it is, else `[build] output` below the root.

        Raises ConfigError for a folder that holds, or lies in, what the author wrote.
        """
        if override is None:
            folder = self.root / self.build.output
            where: Where | None = self.where("build", "output")
            if not folder.resolve().is_relative_to(self.root.resolve()):
                raise ConfigError(
                    f'"build.output" leads out of the site: "{self.build.output}"',
                    where=where,
                    hint="Name a folder inside the site, or use `sitegen build --output FOLDER`.",
                )
        else:
            folder, where = override, None
        target = folder.resolve()
        if self.root.resolve().is_relative_to(target):
            raise ConfigError(
                f'the output folder "{folder}" would hold the site\'s sources',
                where=where,
                hint='Name a folder of its own, such as "dist".',
            )
        for name in SOURCE_FOLDERS:
            if target.is_relative_to((self.root / name).resolve()):
                raise ConfigError(
                    f'the output folder "{folder}" lies in "{name}", among the site\'s sources',
                    where=where,
                    hint='Name a folder of its own, such as "dist".',
                )
        return folder

    def where(self, *keys: str, is_key: bool = False) -> Where:
        """The place of a value, or of its key, in sitegen.toml."""
        return toml.read(self.file, ConfigError).where(keys, is_key)


def load(root: Path) -> SiteConfig:
    """The configuration of the site in `root`; without a sitegen.toml, the defaults.

    Raises ConfigError for a root that is no folder, broken TOML, unknown keys and wrong values.
    """
    if not root.is_dir():
        raise ConfigError(
            f'there is no folder "{root}"', hint="`sitegen new FOLDER` starts a site."
        )
    file = toml.read(root / FILE_NAME, ConfigError)
    checked = validate(_File, file.data, locate=file.where, error=ConfigError, subject=FILE_NAME)
    config = SiteConfig(root=root, **dict(checked))
    config.output_folder()
    return config


def cache_folder() -> Path:
    """Where prepared models and browser packages are kept: SITEGEN_CACHE, else the user's cache."""
    named = os.environ.get("SITEGEN_CACHE")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("sitegen"))
