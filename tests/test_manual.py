"""What README and manual say is so: every example is a page, every list of names is whole."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from sitegen import config, content
from sitegen.cli import main
from sitegen.content.apps import (
    SCHEMAS,
    AppOptions,
    ChatOptions,
    CompleteOptions,
    FormField,
    FormOptions,
)
from sitegen.content.front_matter import FrontMatter, NamedModel
from sitegen.models.families import known
from sitegen.new import TEMPLATE

ROOT = Path(__file__).parents[1]
MANUAL = sorted((ROOT / "content").glob("*.md"))
RUNTIME = ROOT / "sitegen" / "runtime"

_FENCE = re.compile(r"^(`{3,}|~{3,})(\w+)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)


def manual(page: str) -> str:
    return (ROOT / "content" / f"{page}.md").read_text("utf-8")


def examples(text: str, language: str) -> list[str]:
    """The fenced code of a page; an app block inside another fence is part of that one."""
    return [code for _, name, code in _FENCE.findall(text) if name == language]


def first_column(page: str, heading: str) -> set[str]:
    """The names in the first column of the table under this head."""
    table = manual(page).split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ")]
    return set(re.findall(r"`([\w-]+)", " ".join(cells)))


def js_keys(name: str, module: str = "options") -> set[str]:
    source = (RUNTIME / f"{module}.js").read_text("utf-8")
    rules = re.search(rf"const {name} = \{{\n(.*?)^\}};", source, re.S | re.M)
    assert rules
    return set(re.findall(r"^  (\w+):", rules[1], re.MULTILINE))


# -- examples ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ROOT / "README.md", *MANUAL], ids=lambda path: path.stem)
def test_every_example_of_a_page_is_one(path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8")
    folder = tmp_path / "content"
    for name in ("content", "my-model", "librarian"):
        (tmp_path / name).mkdir()
    for name in ("index.md", "about.md", "page.css", "page.js", "owls.js"):
        (folder / name).write_text("# A page\n", "utf-8")
    for number, code in enumerate(
        examples(text, "markdown") + examples(text, "yaml") + examples(text, "html")
    ):
        if code.startswith("```"):
            code = f"---\nmodel: builtin:storyteller\n---\n{code}"
        elif not code.startswith(("---", "<")):
            code = f"---\n{code}---\n"
        (folder / f"example-{number}.md").write_text(code, "utf-8")
    (tmp_path / "sitegen.toml").write_text("\n".join(examples(text, "toml")), "utf-8")
    settings = config.load(tmp_path)
    build = settings.build.model_copy(update={"drafts": True})
    content.read(settings.model_copy(update={"build": build}))


def test_the_first_page_is_the_one_that_new_writes() -> None:
    page = (TEMPLATE / "content" / "index.md").read_text("utf-8")
    assert page in examples(manual("start"), "markdown")


def test_the_mistake_shown_is_answered_so() -> None:
    expected = ROOT / "tests" / "sites" / "broken" / "front_matter_unknown_key" / "expected.txt"
    assert expected.read_text("utf-8") in examples(manual("pages"), "text")


def test_the_settings_shown_are_the_defaults() -> None:
    shown = [tomllib.loads(code) for code in examples(manual("pages"), "toml")]
    site, theme = shown
    assert config.SiteTable(**site["site"]) == config.SiteTable()
    assert config.BuildTable(**site["build"]) == config.BuildTable()
    file = tomllib.loads((ROOT / "themes" / "default" / "theme.toml").read_text("utf-8"))
    assert theme["theme"]["options"].keys() == file["options"].keys()


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("pages", FrontMatter),
        ("pages", config.SiteTable),
        ("pages", config.BuildTable),
        ("apps", ChatOptions),
        ("apps", CompleteOptions),
        ("apps", FormOptions),
        ("apps", FormField),
    ],
)
def test_every_option_is_described(page: str, model: type[BaseModel]) -> None:
    text = manual(page)
    for name in model.model_fields:
        assert re.search(rf"`{name}`|^(# )?{name}( =|:)", text, re.MULTILINE), name


def test_tables_of_options_are_whole() -> None:
    assert first_column("apps", "Option") == set(AppOptions.model_fields)
    assert first_column("models", "Key") == set(NamedModel.model_fields)
    assert first_column("models", "Key of `vocabulary`") == set(config.Vocabulary.model_fields)
    assert first_column("models", "`model_type`") == set(known())
    assert first_column("script", "Option of `load`") == js_keys("LOAD_RULES")
    assert first_column("script", "Option") == js_keys("GENERATE_RULES")
    parameters = js_keys("REQUEST_RULES", "chat-request")
    assert first_column("script", "Parameter") == parameters | {"stop"}


def test_an_app_hands_on_every_option_that_the_engine_has() -> None:
    block = (RUNTIME / "elements" / "block.js").read_text("utf-8")
    handed = block.split("const GENERATION =", 1)[1].split("]);", 1)[0]
    authors = {name for schema in SCHEMAS.values() for name in schema.model_fields}
    assert set(re.findall(r'"(\w+)"', handed)) == authors & js_keys("GENERATE_RULES")


def test_options_of_the_command_line_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for command in ("build", "serve"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        found[command] = set(re.findall(r"^  (--\w[\w-]*)", capsys.readouterr().out, re.MULTILINE))
    shared = first_column("start", "Option of `build` and `serve`")
    assert shared == found["build"]
    assert shared | first_column("start", "Option of `serve`") == found["serve"]


def test_the_kinds_of_errors_are_whole() -> None:
    source = (RUNTIME / "protocol.js").read_text("utf-8")
    kinds = source.split("ERROR_KINDS =", 1)[1].split("])", 1)[0]
    listed = manual("script").split("The kinds are", 1)[1].split(".", 1)[0]
    assert re.findall(r"`([a-z-]+)`", listed) == re.findall(r'"([a-z-]+)"', kinds)


def test_the_variables_of_the_apps_are_whole() -> None:
    styles = (RUNTIME / "elements" / "styles.js").read_text("utf-8")
    listed = manual("pages").split("The variables are `--sitegen-` with", 1)[1].split(".", 1)[0]
    assert set(re.findall(r"`([\w-]+)`", listed)) == set(
        re.findall(r"var\(--sitegen-([\w-]+)", styles)
    )
