"""The command line: reads arguments, calls one function, prints what came of it.

Each command imports its work when it runs, so that `sitegen --help` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import SitegenError, code_frame
from . import models
from .printed import VARIANT_HEAD, count, print_rows, size, variant_row

if TYPE_CHECKING:
    from ..site import Report

AUTHOR_ERROR = 1
UNHEARD = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. A SitegenError is printed, a bug keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file, in an encoding without arrows
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
        print(end="", flush=True)
    except SitegenError as error:
        print(_sentence(error), file=sys.stderr)
        return AUTHOR_ERROR
    except BrokenPipeError:
        # The reader of the output has gone, as in `| head`. Python flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sitegen",
        description="Publish a language model the way one publishes a blog: Markdown in, a folder "
        "of static files out; the model runs in the reader's browser.",
    )
    parser.add_argument("--version", action="version", version=f"sitegen {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    new = commands.add_parser("new", help="start a site", description="Start a site in FOLDER.")
    new.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder")
    new.set_defaults(run=_new)

    build = commands.add_parser(
        "build", help="build the site", description="Build the site: content/ in, dist/ out."
    )
    _add_build_options(build)
    build.set_defaults(run=_build)

    serve = commands.add_parser(
        "serve",
        help="build the site and show it",
        description="Build the site and serve it on this computer, with the headers that models "
        "need. Ctrl-C stops.",
    )
    _add_build_options(serve)
    serve.add_argument("--port", type=_port, default=8000, help="default: 8000")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: this computer only"
    )
    serve.add_argument("--open", action="store_true", help="open a browser")
    serve.add_argument("--no-build", action="store_true", help="serve what is there")
    serve.set_defaults(run=_serve)

    models.add(commands)

    vendor = commands.add_parser(
        "vendor",
        help="fetch the pinned browser packages",
        description="Fetch the pinned browser packages into this checkout of sitegen, with npm. "
        "Installed from a wheel, sitegen has them already.",
    )
    vendor.set_defaults(run=_vendor)
    return parser


def _add_build_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=Path, default=Path(), metavar="FOLDER", help="the site; default: here"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to; default: dist, or [build] output of sitegen.toml",
    )
    parser.add_argument("--drafts", action="store_true", help="publish drafts as well")


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


# -- commands ----------------------------------------------------------------------------------


def _new(options: argparse.Namespace) -> None:
    import shlex

    from ..new import create

    for path in create(options.folder):
        print(path)
    print(f"\nNext: cd {shlex.quote(str(options.folder))} && sitegen serve --open")


def _build(options: argparse.Namespace) -> None:
    report = _run_build(options)
    _print(report)


def _serve(options: argparse.Namespace) -> None:
    import webbrowser

    from .. import config
    from ..serve.server import Server

    settings = config.load(options.root)
    if not options.no_build:
        _print(_run_build(options))
    folder = settings.output_folder(options.output)
    with Server(
        folder, host=options.host, port=options.port, base_path=settings.base_path
    ) as server:
        print(f"Serving {folder} at {server.url} (Ctrl-C stops)", flush=True)
        if options.open:
            webbrowser.open(server.url)
        server.serve_forever()


def _vendor(options: argparse.Namespace) -> None:
    from .. import vendor

    fetched = vendor.fill(progress=lambda sentence: print(sentence, file=sys.stderr))
    print(f"{vendor.FOLDER}: {'fetched and checked' if fetched else 'nothing to do'}")


# -- what is printed ---------------------------------------------------------------------------


def _run_build(options: argparse.Namespace) -> Report:
    from ..site import build
    from ..terminal import progress

    with progress("Building") as report:
        return build(options.root, output=options.output, drafts=options.drafts, report=report)


def _sentence(error: SitegenError) -> str:
    """The error with the author's line under its first line."""
    place = f"{error.where}: " if error.where else ""
    lines = [f"{place}{error.problem}", code_frame(error.where)]
    lines.append(f"  {error.hint}" if error.hint else None)
    return "\n".join(line for line in lines if line)


def _print(report: Report) -> None:
    written, deleted = len(report.write.written), len(report.write.deleted)
    files = f"{written} files written, {report.write.unchanged} unchanged, {deleted} deleted"
    print(f"{report.output}: {count(report.pages, 'page')}, {size(report.write.bytes)}; {files}")
    print_rows(
        ("model", *VARIANT_HEAD),
        [
            (name, *variant_row(variant, size(downloads[variant]), found))
            for name, downloads in report.models.items()
            for variant, found in report.quality[name].items()
        ],
    )
    stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in report.seconds.items())
    print(f"{stages}; {sum(report.seconds.values()):.2f} s in all")
