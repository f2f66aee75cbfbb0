from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tiny_models import write_model

from sitegen import __version__, config, content
from sitegen.cli import main
from sitegen.errors import ContentError, Where, code_frame

Write = Callable[[Mapping[str, str]], Path]
COMMANDS = ("new", "build", "serve", "models", "vendor")
MODELS_COMMANDS = ("list", "inspect", "export", "verify", "prune", "update")
REPOSITORY = Path(__file__).parents[1]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sitegen", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env=environment(cwd)
    )


def environment(cwd: Path) -> dict[str, str]:
    # Commands run in another folder than the repository, as an author's do.
    return {"PYTHONPATH": str(REPOSITORY), "SITEGEN_CACHE": str(cwd / ".cache"), "PATH": "/usr/bin"}


def test_the_version() -> None:
    assert run("--version", cwd=REPOSITORY).stdout == f"sitegen {__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"    {command} " in printed for command in COMMANDS)


def test_help_names_every_command_of_models(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "--help"])
    printed = capsys.readouterr().out
    assert all(f"    {command} " in printed for command in MODELS_COMMANDS)


@pytest.mark.parametrize(
    "command", [[name] for name in COMMANDS] + [["models", name] for name in MODELS_COMMANDS]
)
def test_every_command_and_option_has_help(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("  --"):
            assert len(line.split("  ")) > 2 or len(line) > 23, line


def test_help_imports_no_work() -> None:
    program = (
        "import sys; sys.argv = ['sitegen', '--help']\n"
        "from sitegen.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "for name in ('pydantic', 'markdown', 'jinja2', 'rich', 'http.server', 'numpy'):\n"
        "    assert name not in sys.modules, name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["buidl"],
        ["build", "--port", "1"],
        ["serve", "--port", "eighty"],
        ["new"],
        ["models"],
        ["models", "lst"],
        ["models", "prune", "--older-than", "soon"],
    ],
)
def test_a_wrong_use_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: sitegen")


def test_new_writes_a_site_that_reads_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mine/content/about.md",
        "mine/content/index.md",
        "mine/.gitignore",
        "mine/sitegen.toml",
        "",
        "Next: cd mine && sitegen serve --open",
    ]
    pages = {page.url: page for page in content.read(config.load(Path("mine")))}
    assert [app.kind for app in pages[""].apps] == ["chat"]
    assert pages[""].models["storyteller"].id == "builtin:storyteller"
    assert set(pages) == {"", "about/"}


def test_new_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert main(["new", "mine"]) == 0
    (tmp_path / "mine" / "content" / "index.md").write_text("changed")
    capsys.readouterr()
    assert main(["new", "mine"]) == 1
    assert capsys.readouterr().err == (
        '"mine" is not an empty folder\n  Name a new one: nothing was written.\n'
    )
    assert (tmp_path / "mine" / "content" / "index.md").read_text() == "changed"


def test_new_where_no_folder_can_be_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["new", "file/mine"]) == 1
    assert capsys.readouterr().err == "file/mine: no site can be written here: Not a directory\n"


def test_what_new_says_next_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my site"]) == 0
    assert capsys.readouterr().out.endswith("\nNext: cd 'my site' && sitegen serve --open\n")


def test_a_build_says_what_it_did(site: Write, tmp_path: Path) -> None:
    site({"content/index.md": "# Home", "content/b.md": "# B"})
    done = run("build", cwd=tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    first, seconds = done.stdout.splitlines()
    assert first.startswith("dist: 2 pages, ")
    assert first.endswith(" files written, 0 unchanged, 0 deleted")
    assert seconds.startswith("content ") and seconds.endswith(" s in all")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_the_quality_of_models_on_a_terminal(site: Write, tmp_path: Path) -> None:
    import pty

    root = tmp_path / "site"
    write_model(root / "a-model")
    site({"content/index.md": "---\nmodel: ./a-model\n---\n"})
    terminal, inside = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "sitegen", "build"],
        env={**environment(root), "COLUMNS": "60", "TERM": "xterm"},
        cwd=root,
        stdout=inside,
        stderr=subprocess.PIPE,
        text=True,
    ) as build:
        _, errors = build.communicate()
    os.close(inside)
    printed = os.read(terminal, 1 << 16).decode().splitlines()
    os.close(terminal)
    assert build.returncode == 0, errors
    _, head, *lines, _ = printed
    names = ["MODEL", "VARIANT", "DOWNLOAD", "BITS A WEIGHT", "SAME TOKEN", "KL", "PERPLEXITY"]
    assert re.split(r"\s{2,}", head) == names
    number = r"\d+\.\d+"
    for line, name in zip(lines, ("webgpu-f16", "webgpu-f32", "wasm"), strict=True):
        values = rf"{number} kB +{number} +{number}% of \d+ +{number} +× {number}"
        assert re.fullmatch(rf"a-model  {name} +{values}", line), line
        assert line.index("×") == head.index("PERPLEXITY"), "the columns are aligned"


def test_output_in_an_encoding_that_lacks_a_character(site: Write, tmp_path: Path) -> None:
    site({"content/index.md": "# Home"})
    done = subprocess.run(
        [sys.executable, "-m", "sitegen", "models", "inspect", "builtin:storyteller"],
        env={**environment(tmp_path / "site"), "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path / "site",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "revision      ?\n" in done.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_leaves_no_traceback(
    site: Write, tmp_path: Path, unbuffered: str
) -> None:
    root = tmp_path / "site"
    site({"content/index.md": "# Home"})
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "sitegen", "build"],
        env={**environment(root), "PYTHONUNBUFFERED": unbuffered},
        cwd=root,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
    assert (root / "dist" / "index.html").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_stream_that_is_closed_is_not_written_to(
    site: Write, tmp_path: Path, closed: str
) -> None:
    root = tmp_path / "site"
    site({"content/index.md": "# Home"})
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m sitegen build {closed}'],
        env=environment(root),
        cwd=root,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_build_elsewhere(site: Write, tmp_path: Path) -> None:
    site({"content/index.md": "# Home"})
    done = run("build", "--root", "site", "--output", "public", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "public" / "index.html").is_file()
    assert not (tmp_path / "site" / "dist").exists()


def test_a_mistake_exits_with_1_and_no_traceback(site: Write, tmp_path: Path) -> None:
    site({"content/index.md": "---\ntitel: x\n---\n"})
    done = run("build", cwd=tmp_path / "site")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("content/index.md:2:1: unknown key")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_serve_builds_serves_and_stops(site: Write, tmp_path: Path) -> None:
    site({"content/index.md": "# Hello there", "sitegen.toml":
          '[site]\nbase_url = "https://example.org/docs/"\n'})  # fmt: skip
    command = [sys.executable, "-m", "sitegen", "serve", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=tmp_path / "site",
        env=environment(tmp_path / "site"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a script ignores it, and so would what the tests start there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            line = next((text for text in process.stdout if text.startswith("Serving")), "")
            assert line.startswith("Serving dist at http://127.0.0.1:")
            url = line.split()[3]
            assert url.endswith("/docs/")
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert b"Hello there" in answer.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 130
            assert process.stderr.read() == "\n"
        finally:
            process.kill()


def script() -> str:
    """The program that installers write for `sitegen`, in short."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, function = project["scripts"]["sitegen"].partition(":")
    return f"import sys; from {module} import {function}; sys.exit({function}())"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("start", [["-m", "sitegen"], ["-c", script()]], ids=["module", "script"])
def test_ctrl_c_while_modules_are_imported_ends_quietly(tmp_path: Path, start: list[str]) -> None:
    """The signal comes while the first of them is: one of the standard library, in our place."""
    (tmp_path / "argparse.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    variables = environment(tmp_path)
    done = subprocess.run(
        [sys.executable, *start, "--version"],
        env={**variables, "PYTHONPATH": os.pathsep.join([str(tmp_path), variables["PYTHONPATH"]])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\n")


def test_serve_without_a_site_says_so(site: Write, tmp_path: Path) -> None:
    site({"content/index.md": "# Home"})
    done = run("serve", "--no-build", cwd=tmp_path / "site")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "dist: there is no site here\n  Build it first: sitegen build\n"


@pytest.mark.parametrize(
    ("line", "column", "frame"),
    [
        (1, None, "  1 | first"),
        (2, 3, "  2 |  tab\n    |   ^"),
        (3, 150, f"  3 | {'x' * 144}\n    | {' ' * 71}^"),
        (4, 1, None),
        (9, 1, None),
        (None, None, None),
    ],
)
def test_a_frame_shows_the_line(
    tmp_path: Path, line: int | None, column: int | None, frame: str | None
) -> None:
    path = tmp_path / "file.md"
    path.write_text(f"\ufefffirst\n\ttab\n{'x' * 300}\n\n", "utf-8")
    assert code_frame(Where(path, line, column)) == frame


def test_a_frame_counts_lines_as_editors_do(tmp_path: Path) -> None:
    path = tmp_path / "file.md"
    path.write_text("a\u2028b\x0cc\x85d\r\nsecond\n", "utf-8", newline="")
    assert code_frame(Where(path, 2, 1)) == "  2 | second\n    | ^"


def test_no_frame_without_a_file(tmp_path: Path) -> None:
    assert code_frame(None) is None
    assert code_frame(Where(tmp_path / "gone", 1, 1)) is None
    assert code_frame(ContentError("problem").where) is None
