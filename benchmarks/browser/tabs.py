"""A tab in a fresh browser, and what its process holds.

Every measurement gets a browser with a profile of its own, kept on disk as a reader's is: nothing
is cached at first, and a second visit finds what the first one left. A tab is driven by two calls:

    open(url)                   leave the page before, open this one
    call(method, *arguments)    globalThis.bench.method(...arguments) of pages/page.js
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from packages import puppeteer

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FIELD = re.compile(r"^(?:RssAnon|RssShmem):\s+(\d+) kB$", re.MULTILINE)


class TabFailed(Exception):
    """The page or its browser did not answer; says why."""


class Tab(Protocol):
    def open(self, url: str) -> None: ...
    def call(self, method: str, *arguments: Any) -> Any: ...


class Chromium:
    """By Playwright, whose contexts with a profile survive their pages."""

    def __init__(self, context: Any, limit: float):
        self._context, self._limit = context, limit
        self._page: Any = None

    def open(self, url: str) -> None:
        if self._page:
            self._page.close()
        self._page = self._context.new_page()
        self._page.set_default_timeout(self._limit * 1000)
        self._page.on("pageerror", lambda error: print("page error:", error, flush=True))
        self._page.goto(url)
        self._page.wait_for_selector("html[data-ready]", state="attached")

    def call(self, method: str, *arguments: Any) -> Any:
        from playwright.sync_api import Error

        # An answer that never comes would hold up all that follows: the page gives up by itself.
        script = """([method, rest, limit]) => Promise.race([
          globalThis.bench[method](...rest),
          new Promise((_, no) => setTimeout(() => no(new Error("no answer in time")), limit)),
        ])"""
        try:
            return self._page.evaluate(script, [method, list(arguments), self._limit * 1000])
        except Error as error:
            raise TabFailed(str(error).splitlines()[0]) from error


class Firefox:
    """By firefox.mjs, line by line."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process
        self._answer()  # it has started

    def open(self, url: str) -> None:
        self._ask({"open": url})

    def call(self, method: str, *arguments: Any) -> Any:
        return self._ask({"call": [method, *arguments]})

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "Firefox ended"}
        if "error" in answer:
            raise TabFailed(answer["error"])
        return answer["result"]


@contextlib.contextmanager
def chromium(path: str, limit: float) -> Iterator[Chromium]:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="sitegen-bench-") as profile, sync_playwright() as p:
        context = p.chromium.launch_persistent_context(
            profile, executable_path=path, args=CHROMIUM_FLAGS
        )
        try:
            yield Chromium(context, limit)
        finally:
            context.close()


@contextlib.contextmanager
def firefox(path: str, packages: Path, limit: float) -> Iterator[Firefox]:
    script = Path(__file__).with_name("firefox.mjs")
    with tempfile.TemporaryDirectory(prefix="sitegen-bench-") as profile:
        process = subprocess.Popen(
            ["node", script, puppeteer(packages), path, profile],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        timer = threading.Timer(limit, process.terminate)
        timer.start()
        try:
            yield Firefox(process)
        finally:
            timer.cancel()
            assert process.stdin
            process.stdin.close()
            process.wait(30)


def find(name: str) -> str | None:
    """The browser of $SITEGEN_CHROMIUM or $SITEGEN_FIREFOX, else the system's."""
    known = {"chromium": ["chromium"], "firefox": ["firefox-esr", "firefox"]}
    paths = [os.environ.get(f"SITEGEN_{name.upper()}"), *map(shutil.which, known[name])]
    return next((path for path in paths if path), None)


def version(path: str) -> str:
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    return " ".join(done.stdout.split()[:3])


class Usage:
    """What the processes of our tabs have used since the start. A context manager.

    memory  the most that any one held, in bytes: RssAnon + RssShmem of /proc/PID/status. Without
            mapped files, which can be dropped and read again, and without what the browser's own
            processes hold.
    cpu     seconds that all of them computed: this hardly changes where a machine is shared.

    Read every 50 ms of every process that descends from this one and is a browser's for pages:
    `--type=renderer` in Chromium, a command line that ends with `tab` in Firefox. 0 without /proc.
    """

    def __init__(self) -> None:
        self.memory = 0
        self._ticks: dict[str, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def cpu(self) -> float:
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Usage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        tabs: list[str] = []
        looked = -9.0
        while not self._done.wait(0.05):
            if time.monotonic() - looked > 1:
                tabs, looked = _tabs(), time.monotonic()
            for pid in tabs:
                with contextlib.suppress(OSError):
                    held = FIELD.findall(Path(f"/proc/{pid}/status").read_text())
                    self.memory = max(self.memory, 1024 * sum(map(int, held)))
                    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    self._ticks[pid] = int(fields[11]) + int(fields[12])


def _tabs() -> list[str]:
    parents, tabs = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            stat = (folder / "stat").read_text()
            parents[folder.name] = stat.rpartition(")")[2].split()[1]
            command = (folder / "cmdline").read_text().replace("\0", " ").split()
            if "--type=renderer" in command or command[-1] == "tab":
                tabs.append(folder.name)
    own = str(os.getpid())

    def is_ours(pid: str) -> bool:
        while pid in parents and pid != own:
            pid = parents[pid]
        return pid == own

    return [pid for pid in tabs if is_ours(pid)]
