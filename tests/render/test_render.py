"""Sites without models are rendered whole here; with models they are in test_site.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from sitegen import bundle, config, content
from sitegen.errors import ConfigError, ThemeError
from sitegen.render import render
from sitegen.render.headers import POLICY, RULES, headers_file, headers_for

Write = Callable[[Mapping[str, str]], Path]
Files = dict[str, bytes | Path]
WHOLE = Path(__file__).parents[1] / "sites" / "whole"
PLAIN = "{{ page.title }}|{{ root }}|{{ theme_url }}|{{ engine_url }}|{{ page.html }}"


def rendered(root: Path, cache: Path) -> Files:
    settings = config.load(root)
    bundled = bundle.collect({}, cache=cache, site_id="0" * 12)
    return {**bundled.files, **render(settings, content.read(settings), bundled)}


def text(files: Files, path: str) -> str:
    found = files[path]
    assert isinstance(found, bytes)
    return found.decode()


class Parts(HTMLParser):
    """Addresses of a document, and what a content security policy would block."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.blocked: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.addresses += [value for name in ("href", "src") if (value := named.get(name))]
        if tag == "style" or (tag == "script" and "src" not in named):
            self.blocked.append(tag)
        self.blocked += [name for name in named if name == "style" or name.startswith("on")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return rendered(WHOLE, tmp_path_factory.mktemp("cache"))


def test_what_a_site_is_made_of(whole: Files) -> None:
    fixed = {path for path in whole if not path.startswith("_sitegen/")}
    assert fixed == {
        "index.html", "guide/index.html", "guide/setup/index.html", "404.html", "sw.js", "_headers",
        ".nojekyll", "manifest.webmanifest", "robots.txt", "sitemap.xml",
    }  # fmt: skip


def documents(files: Files) -> list[str]:
    return [path for path in files if path.endswith(".html")]


def test_nothing_in_a_document_is_blocked_by_its_policy(whole: Files) -> None:
    for path in documents(whole):
        document = text(whole, path)
        assert Parts(document).blocked == [], path
        assert 'http-equiv="Content-Security-Policy"' in document


def test_every_address_of_every_document_leads_to_a_file(whole: Files) -> None:
    assets = set(content.assets(config.load(WHOLE)))
    for path in documents(whole):
        here = urljoin("https://example.org/room/", path)
        for address in Parts(text(whole, path)).addresses:
            target = urlsplit(urljoin(here, address))
            if target.netloc != "example.org":
                continue
            assert target.path.startswith("/room/"), (path, address)
            place = target.path.removeprefix("/room/")
            if place == "" or place.endswith("/"):
                place += "index.html"
            assert place in whole or place in assets, (path, address)


def test_pages_use_relative_addresses_and_the_404_page_absolute_ones(whole: Files) -> None:
    for path in documents(whole):
        own = [
            address
            for address in Parts(text(whole, path)).addresses
            if not address.startswith(("https:", "#"))
        ]
        assert own
        absolute = [address for address in own if address.startswith("/")]
        assert absolute == ([*own] if path == "404.html" else []), path


def test_navigation_marks_the_page_and_leads_to_its_neighbours(whole: Files) -> None:
    setup = text(whole, "guide/setup/index.html")
    assert re.findall(r'<a href="([^"]+)" aria-current="page">([^<]+)', setup) == [("./", "Set up")]
    assert re.findall(r'rel="(prev|next)" href="([^"]+)"', setup) == [("prev", "../")]
    assert re.findall(r'rel="(prev|next)" href="([^"]+)"', text(whole, "guide/index.html")) == [
        ("prev", "../"),
        ("next", "setup/"),
    ]


def test_text_is_escaped_once(whole: Files) -> None:
    setup = text(whole, "guide/setup/index.html")
    assert 'content="Two steps &amp; no more."' in setup
    assert "&amp;amp;" not in setup


def test_the_service_worker_names_every_page_and_all_of_the_theme(whole: Files) -> None:
    worker = text(whole, "sw.js")
    settings = json.loads(re.findall(r"self\.SITEGEN = (.*);", worker)[0])
    theme = {path for path in whole if path.startswith("_sitegen/theme/")}
    assert theme
    assert set(settings["shell"]) == {"./", "guide/", "guide/setup/", *theme}
    assert re.fullmatch("[0-9a-f]{12}", settings["version"])
    script = re.findall(r'importScripts\("(.*)"\)', worker)[0]
    assert script in whole


def test_a_large_site_is_not_fetched_ahead_whole(site: Write, tmp_path: Path) -> None:
    long = "word " * 120_000  # 0.6 MB
    pages = {f"content/{name}.md": f"# {name}\n\n{long}" for name in ("index", "b", "c", "d", "e")}
    files = rendered(site(pages), tmp_path)
    shell = json.loads(re.findall(r"self\.SITEGEN = (.*);", text(files, "sw.js"))[0])["shell"]
    assert [url for url in shell if not url.startswith("_sitegen/")] == ["./", "b/", "c/"]


def test_the_version_of_the_shell_changes_with_a_page(site: Write, tmp_path: Path) -> None:
    root = site({"content/index.md": "# One"})
    first = text(rendered(root, tmp_path), "sw.js")
    assert text(rendered(root, tmp_path), "sw.js") == first
    (root / "content" / "index.md").write_text("# Two")
    second = text(rendered(root, tmp_path), "sw.js")
    assert first != second
    assert len(first) == len(second)


def test_the_small_files(whole: Files) -> None:
    manifest = json.loads(text(whole, "manifest.webmanifest"))
    assert manifest["name"] == "The reading room"
    assert manifest["start_url"] == manifest["scope"] == "./"
    assert all(icon["src"] in whole for icon in manifest["icons"])
    assert text(whole, "robots.txt").endswith("Sitemap: https://example.org/room/sitemap.xml\n")
    assert re.findall("<loc>(.*?)</loc>", text(whole, "sitemap.xml")) == [
        "https://example.org/room/guide/",
        "https://example.org/room/guide/setup/",
        "https://example.org/room/",
    ]
    assert "<lastmod>2026-01-31</lastmod>" in text(whole, "sitemap.xml")


def test_without_a_base_url_there_is_no_site_map(site: Write, tmp_path: Path) -> None:
    files = rendered(site({"content/index.md": "# Home"}), tmp_path)
    assert "sitemap.xml" not in files
    assert "Sitemap" not in text(files, "robots.txt")
    assert '<a href="/"' in text(files, "404.html")


def test_a_theme_of_the_site_falls_back_file_by_file(site: Write, tmp_path: Path) -> None:
    root = site({
        "sitegen.toml": '[theme]\nname = "mine"\n',
        "content/guide/index.md": "# Guide",
        "content/index.md": "# Home",
        "themes/mine/templates/page.html": PLAIN,
        "themes/mine/static/theme.css": "/* mine */",
        "themes/mine/static/fonts/a.woff2": "",
        "themes/mine/static/.hidden": "",
    })  # fmt: skip
    files = rendered(root, tmp_path)
    title, base, theme_url, engine_url, html = text(files, "guide/index.html").split("|")
    assert (title, base, html) == ("Guide", "../", '<h1 id="guide">Guide</h1>')
    static = theme_url.removeprefix("../")
    assert {path.removeprefix(static) for path in files if path.startswith(static)} == {
        "theme.css", "theme.js", "icon.svg", "fonts/a.woff2",
    }  # fmt: skip
    assert files[f"{static}theme.css"] == root / "themes/mine/static/theme.css"
    assert engine_url.removeprefix("../") + "sitegen.js" in files
    assert "<!doctype html>" in text(files, "404.html").lower()


def test_one_template_of_the_default_theme_may_be_replaced(site: Write, tmp_path: Path) -> None:
    template = '{% extends "base.html" %}{% block main %}mine{% endblock %}'
    files = {"content/index.md": "# Home", "themes/default/templates/page.html": template}
    home = text(rendered(site(files), tmp_path), "index.html")
    assert re.search(r"<main[^>]*>\s*mine\s*</main>", home)


def test_a_template_is_escaped(site: Write, tmp_path: Path) -> None:
    root = site({
        "content/index.md": "---\ntitle: <b>&</b>\n---\n*text*",
        "themes/default/templates/page.html": PLAIN,
    })  # fmt: skip
    page = text(rendered(root, tmp_path), "index.html")
    assert page.startswith("&lt;b&gt;&amp;&lt;/b&gt;|./|")
    assert page.endswith("|<p><em>text</em></p>")


def test_a_mistake_in_an_included_template_is_found_there(site: Write, tmp_path: Path) -> None:
    root = site({
        "content/index.md": "# Home",
        "themes/default/templates/page.html": '{% extends "base.html" %}\n{% block main %}\n'
        '{% include "part.html" %}\n{% endblock %}',
        "themes/default/templates/part.html": "one\n{{ nothing.at.all }}\n",
    })  # fmt: skip
    with pytest.raises(ThemeError) as error:
        rendered(root, tmp_path)
    assert str(error.value.where) == "themes/default/templates/part.html:2"
    (root / "themes/default/templates/part.html").unlink()
    with pytest.raises(ThemeError) as error:
        rendered(root, tmp_path)
    assert str(error.value.where) == "themes/default/templates/page.html:3"
    assert error.value.problem == 'the theme "default" has no template "part.html"'


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{{ page.title() }}", "TypeError: 'str' object is not callable"),
        ("{% include 'page.html' %}", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_what_a_template_cannot_compute_is_its_mistake(
    site: Write, tmp_path: Path, template: str, problem: str
) -> None:
    path = "themes/default/templates/page.html"
    root = site({"content/index.md": "# Home", path: f"one\n{template}\n"})
    with pytest.raises(ThemeError) as error:
        rendered(root, tmp_path)
    assert str(error.value).startswith(f"{path}:2: this template cannot be filled in: {problem}")


def test_a_template_that_is_not_utf8_is_named_by_line(site: Write, tmp_path: Path) -> None:
    path = "themes/default/templates/page.html"
    root = site({"content/index.md": "# Home", path: ""})
    (root / path).write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(ThemeError, match=f"^{path}:2: .*this line is not UTF-8"):
        rendered(root, tmp_path)


def test_options_have_the_theme_s_defaults_and_types(site: Write, tmp_path: Path) -> None:
    theme = """
[options.words]
type = "text"
default = "none"
[options.shown]
type = "boolean"
default = true
[options.size]
type = "number"
default = 1.5
"""
    files = {
        "content/index.md": "# Home",
        "themes/mine/theme.toml": theme,
        "themes/mine/templates/page.html": "{% for name in ['words', 'shown', 'size', 'accent'] %}"
        "{{ theme.options[name] }} {% endfor %}",
        "sitegen.toml": '[theme]\nname = "mine"\n[theme.options]\nshown = false\nsize = 2\n',
    }
    assert text(rendered(site(files), tmp_path), "index.html") == "none False 2 evergreen "
    for option, wanted in (('words = 1', "text"), ('shown = "no"', "true or false"),
                           ("size = true", "a number")):  # fmt: skip
        files["sitegen.toml"] = f'[theme]\nname = "mine"\n[theme.options]\n{option}\n'
        with pytest.raises(ConfigError, match=f"sitegen.toml:4:.* must be {wanted}, but is"):
            rendered(site(files), tmp_path)
    files["sitegen.toml"] = '[theme]\nname = "mine"\n'
    for table, message in (
        ('type = "number"\ndefault = [1]', "must be a number, but is a list"),
        (
            'type = "choice"\ndefault = "b"\nchoices = ["a"]',
            'must be one of a, but is the text "b"',
        ),
    ):
        files["themes/mine/theme.toml"] = f"[options.x]\n{table}\n"
        with pytest.raises(ThemeError) as error:
            rendered(site(files), tmp_path)
        assert str(error.value) == (f'themes/mine/theme.toml:3:11: "options.x.default" {message}')


def test_a_theme_publishes_no_file_from_outside(site: Write, tmp_path: Path) -> None:
    root = site({"content/index.md": "# Home", "themes/default/static/a.txt": "", "b.txt": "b"})
    link = root / "themes/default/static/link.txt"
    link.symlink_to("../../../b.txt")
    assert any(path.endswith("/link.txt") for path in rendered(root, tmp_path))
    link.unlink()
    (tmp_path / "secret.txt").write_text("secret")
    link.symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ThemeError, match="link.txt: a symbolic link that leads out of the site"):
        rendered(root, tmp_path)


def test_a_theme_may_not_lie_elsewhere(site: Write, tmp_path: Path) -> None:
    for name in ("../elsewhere", "..", ".hidden", "default/../../elsewhere"):
        root = site({
            "content/index.md": "", "elsewhere/theme.toml": "", "themes/.hidden/theme.toml": "",
            "themes/default/theme.toml": "",
            "sitegen.toml": f'[theme]\nname = "{name}"\n',
        })  # fmt: skip
        with pytest.raises(ThemeError, match="there is no theme"):
            rendered(root, tmp_path)


def test_a_large_site_shows_the_sections_of_the_page_only(site: Write, tmp_path: Path) -> None:
    template = "{% for s in nav %}{{ s.title }}:{{ s.url }}:{{ s.children | length }} {% endfor %}"
    files = {"content/index.md": "# Home", "themes/default/templates/page.html": template}
    for number in range(210):
        files[f"content/s{number % 3}/p{number:03}.md"] = ""
    pages = rendered(site(files), tmp_path)
    assert text(pages, "index.html") == "Home:./:0 S0:s0/p000/:0 S1:s1/p001/:0 S2:s2/p002/:0 "
    assert text(pages, "s1/p004/index.html") == (
        "Home:../../:0 S0:../../s0/p000/:0 S1:None:70 S2:../../s2/p002/:0 "
    )


def test_headers_are_one_list_for_hosts_and_for_the_preview() -> None:
    lines = headers_file().splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list(RULES)
    # What Cloudflare reads: at most 100 rules of at most 2,000 characters a line.
    assert len(RULES) <= 100
    assert max(map(len, lines)) <= 2000
    assert headers_for("/guide/")["Content-Security-Policy"] == POLICY
    assert "Cache-Control" not in headers_for("/guide/")
    assert headers_for("/sw.js")["Cache-Control"] == "no-cache"
    assert "immutable" in headers_for("/_sitegen/files/a.bin")["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/sw.js", "/_sitegen/files/a.bin", "/_sitegen/models.json"])
def test_no_header_is_set_twice_for_one_path(path: str) -> None:
    """Hosts join the values of two rules, and `no-cache, immutable` means nothing."""
    matching = [
        set(headers)
        for rule, headers in RULES.items()
        if rule == path or (rule.endswith("*") and path.startswith(rule[:-1]))
    ]
    assert sum(map(len, matching)) == len(set().union(*matching))


def test_the_policy_keeps_words_on_the_page() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["form-action"] == "'none'"
    assert "'unsafe-inline'" not in POLICY and "'unsafe-eval'" not in POLICY
    assert "http" not in POLICY and "*" not in POLICY
