from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from sitegen import config
from sitegen.errors import ConfigError

Write = Callable[[Mapping[str, str]], Path]


def test_a_site_needs_no_file(site: Write) -> None:
    settings = config.load(site({"content/index.md": "# Home"}))
    assert settings.site.title == "My site"
    assert settings.output_folder() == Path("dist")
    assert settings.base_path == "/"
    assert settings.models == {}


def test_every_table_is_read(site: Write) -> None:
    text = """
[site]
title = "T"
description = "D"
base_url = "https://example.org/docs"
language = "de"
author = "A"
[build]
output = "public/site"
drafts = true
[theme]
name = "mine"
[theme.options]
accent = "plum"
[models]
short = "builtin:storyteller"
[models.long]
id = "./folder"
revision = "v1"
quantization = "fp32"
context = 128
"""
    settings = config.load(site({"sitegen.toml": text}))
    assert settings.site.base_url == "https://example.org/docs/"
    assert settings.base_path == "/docs/"
    assert settings.output_folder() == Path("public/site")
    assert settings.build.drafts
    assert settings.theme.options == {"accent": "plum"}
    assert settings.models["short"] == config.ModelSpec(id="builtin:storyteller")
    assert settings.models["long"] == config.ModelSpec(
        id="./folder", revision="v1", quantization="fp32", context=128
    )


def test_a_recipe_is_a_name_or_a_mapping(site: Write) -> None:
    text = """
[models.a]
id = "./a"
quantization = "q8"
[models.b]
id = "./b"
quantization = { block_size = 64, symmetric = false, head_bits = 8, min_agreement = 0.9 }
"""
    models = config.load(site({"sitegen.toml": text})).models
    assert models["a"].quantization == config.Quantization(recipe="q8")
    assert models["b"].quantization == config.Quantization(
        recipe="q4", block_size=64, symmetric=False, head_bits=8, min_agreement=0.9
    )


@pytest.mark.parametrize(
    ("written", "problem", "hint"),
    [
        ('"int4"', 'recipe" is the text "int4"', "Allowed: q4, q8, fp16, fp32."),
        ("{ block_size = 48 }", 'block_size" is the number 48', "Allowed: 16, 32, 64, 128, 256."),
        (
            '{ calibration = "pages" }',
            'calibration.by" is the text "pages"',
            'Did you mean "page"?',
        ),
        (
            '{ calibration = { by = "generated", text = "a.txt" } }',
            'calibration" holds "text", which "by: generated" does not read; leave out one',
            None,
        ),
        ("{ head_bits = 6 }", 'head_bits" is the number 6', "Allowed: 4, 8."),
        ("{ head_bit = 8 }", 'unknown key "head_bit"', 'Did you mean "head_bits"?'),
        ('{ symmetric = "no" }', 'symmetric" must be true or false, but is the text "no"', None),
        ("{ min_agreement = 90 }", 'min_agreement" must be at most 1, but is the number 90', None),
        (
            '{ recipe = "q8", symmetric = false }',
            'holds "symmetric", which the recipe q8 does not have; it has: block_size, min_agree',
            None,
        ),
        (
            '{ recipe = "fp16", block_size = 32 }',
            'holds "block_size", which the recipe fp16 does not have; it has: min_agreement',
            None,
        ),
    ],
)
def test_a_quantization_that_does_not_exist(
    site: Write, written: str, problem: str, hint: str | None
) -> None:
    root = site({"sitegen.toml": f'[models.a]\nid = "./a"\nquantization = {written}\n'})
    with pytest.raises(ConfigError, match="^sitegen.toml:3:") as error:
        config.load(root)
    assert problem in error.value.problem
    assert hint is None or hint in str(error.value.hint)


@pytest.mark.parametrize(
    ("written", "address", "path"),
    [
        ("https://example.org", "https://example.org/", "/"),
        ("https://example.org//docs//", "https://example.org/docs/", "/docs/"),
        ("https://example.org/a%20b", "https://example.org/a%20b/", "/a b/"),
        ("https://example.org:8/a ü", "https://example.org:8/a%20%C3%BC/", "/a ü/"),
    ],
)
def test_the_address_of_the_site_is_encoded_and_its_path_is_not(
    site: Write, written: str, address: str, path: str
) -> None:
    settings = config.load(site({"sitegen.toml": f'[site]\nbase_url = "{written}"\n'}))
    assert (settings.site.base_url, settings.base_path) == (address, path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(site: Write) -> None:
    root = site({"sitegen.toml": '\ufeff[site]\r\ntitle = "T"\r\n'})
    assert config.load(root).site.title == "T"


def test_settings_do_not_change(site: Write) -> None:
    settings = config.load(site({"sitegen.toml": ""}))
    with pytest.raises(ValidationError, match="frozen"):
        settings.root = Path("elsewhere")


def test_the_root_is_no_key_of_the_file(site: Write) -> None:
    with pytest.raises(ConfigError, match='sitegen.toml:1:1: unknown key "root"'):
        config.load(site({"sitegen.toml": 'root = "elsewhere"\n'}))


def test_a_key_in_an_inline_table_is_found_on_its_line(site: Write) -> None:
    root = site({"sitegen.toml": '[site]\n\n[models]\na = { id = "./a", contxt = 32 }\n'})
    with pytest.raises(ConfigError, match='^sitegen.toml:4:19: unknown key "contxt"'):
        config.load(root)


@pytest.mark.parametrize("table", ['[models."a.b"]', "[models.'a.b']", '[ models . "a.b" ]'])
def test_a_key_in_quotes_is_found(site: Write, table: str) -> None:
    root = site({"sitegen.toml": f'# one\u2028line\n{table}\nid = "./a"\ncontxt = 32\n'})
    with pytest.raises(ConfigError, match='^sitegen.toml:4:1: unknown key "contxt"'):
        config.load(root)


def test_text_that_is_not_utf8_is_named_by_line(site: Write) -> None:
    root = site({"sitegen.toml": ""})
    (root / "sitegen.toml").write_bytes(b'[site]\ntitle = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="^sitegen.toml:2: this line is not UTF-8"):
        config.load(root)


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        config.load(tmp_path / "nowhere")


def test_an_output_given_by_hand_may_lie_anywhere_but_over_the_sources(
    site: Write, tmp_path: Path
) -> None:
    settings = config.load(site({"content/index.md": "# Home"}))
    assert settings.output_folder(tmp_path / "public") == tmp_path / "public"
    for folder in (Path(), Path(".."), Path("content"), Path("content/public"), Path("static")):
        with pytest.raises(ConfigError, match="^the output folder"):
            settings.output_folder(folder)


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITEGEN_CACHE", str(tmp_path))
    assert config.cache_folder() == tmp_path
    monkeypatch.delenv("SITEGEN_CACHE")
    assert config.cache_folder().name == "sitegen"


def test_a_vocabulary_is_pruned_by_a_word_or_by_a_table(site: Write) -> None:
    text = """
[models.whole]
id = "./a"
[models.short]
id = "./a"
vocabulary = "prune"
[models.long]
id = "./a"
vocabulary = {keep = ["Latin", "Greek"], text = "./samples", size = 9000}
"""
    models = config.load(site({"sitegen.toml": text})).models
    assert models["whole"].vocabulary is None
    assert models["short"].vocabulary == config.Vocabulary()
    assert models["long"].vocabulary == config.Vocabulary(
        keep=("Latin", "Greek"), text="./samples", size=9000
    )
    assert len({*models.values()}) == 3  # a spec can be the key of a table
