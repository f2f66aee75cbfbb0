"""sitegen beside its rivals, in the browser, on the same weights, in one run.

    python benchmarks/browser/bench.py --optimum-python PY --json results.json

In headless Chromium, for one and two threads, by turns: sitegen, transformers.js and wllama, and
sitegen once more in Firefox where there is one. The interpreter named writes the rivals' files: it
has optimum, onnx-ir and gguf (`make bench-browser` makes one). Without it sitegen runs alone.

Every measurement is a fresh browser with a fresh profile that visits the same page twice. The first
visit loads the model from the network and the server counts. The second loads it from the cache,
then asks: a prompt of 64 tokens, one of 512, and a chat of five turns, in the second of which the
conversation is about 500 tokens long. Prompts are random words, the same for all in one run and new
in the next; every engine must find in them the tokens that there are. Times are taken by the page,
from its call to what it is given: load, first token, last token. Nothing is warmed up but by the
engine itself while it loads.

How each is set up: pages/. How memory and CPU time are read: tabs.py. What is served: server.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

import tabs  # noqa: E402
import weights  # noqa: E402
from figures import failures, tables  # noqa: E402
from packages import PINNED, NoPackages, fetch  # noqa: E402
from processes import Failed, machine, run  # noqa: E402
from server import Server  # noqa: E402

LIMIT = 540.0  # seconds for one answer of one engine
WEIGHTS_SCRIPT = HERE / "weights.py"


@dataclass(frozen=True)
class Engine:
    page: str  # pages/<page>.js
    weights: str  # what that page calls them
    format: str  # of weights.py
    browser: str = "chromium"


ENGINES = {
    "sitegen": Engine("sitegen", "", "site"),
    "transformers.js q8": Engine("transformers", "q8", "onnx"),
    "transformers.js q4": Engine("transformers", "q4", "onnx"),
    "wllama q8_0": Engine("wllama", "q8_0", "gguf"),
    "wllama q4_0": Engine("wllama", "q4_0", "gguf"),
    "sitegen, Firefox": Engine("sitegen", "", "site", "firefox"),
}


@dataclass(frozen=True)
class Prompts:
    """Token counts of what is asked."""

    short: int = 64
    long: int = 512
    tokens: int = 32  # of an answer to these
    opening: int = 440  # the first message of the chat
    message: int = 40  # every other one
    reply: int = 8
    turns: int = 5

    def draw(self, seed: int, vocabulary: int) -> tuple[str, str, list[str]]:
        """The short prompt, the long one, and the messages of the chat."""
        known = list(itertools.islice(weights.words(), vocabulary - 300))  # the others are bytes
        source = random.Random(seed)

        def text(count: int) -> str:
            return "".join(f" {word}" for word in source.choices(known, k=count))

        messages = [text(self.opening), *(text(self.message) for _ in range(self.turns - 1))]
        return text(self.short), text(self.long), messages


QUICK = Prompts(short=16, long=48, tokens=6, opening=40, message=8, reply=4)


def prepare(build: Path, shape: str, formats: Sequence[str], python: str | None) -> dict[str, Path]:
    """Format → folder of the model in it, written where it is not there yet; sitegen's site always
    anew, because what it is made of changes. A format that cannot be written is left out."""
    folder = build / shape
    model = folder / "model"
    if not model.exists():
        print(f"writing random weights of {shape}", flush=True)
        weights.write_model(folder / "model.part", shape)
        (folder / "model.part").rename(model)
    ready = {}
    for name in formats:
        at, part = folder / name, folder / f"{name}.part"
        if name == "site":
            weights.site(model, at)
        elif not at.exists():
            if python is None:
                print(f"no {name}: name an interpreter with --optimum-python", flush=True)
                continue
            print(f"writing {name}", flush=True)
            try:
                run([python, WEIGHTS_SCRIPT, name, model, part])
            except Failed as error:
                print(f"no {name}: {error}", flush=True)
                continue
            part.rename(at)
        ready[name] = at
    return ready


def measure(
    engine: Engine,
    browser: AbstractContextManager[tabs.Tab],
    server: Server,
    threads: int,
    prompts: Prompts,
    drawn: tuple[str, str, list[str]],
) -> dict[str, Any]:
    """Two visits of a fresh browser. Raises TabFailed."""
    short, long, messages = drawn
    options = {"root": server.url, "weights": engine.weights, "threads": threads}
    with tabs.Usage() as usage, browser as tab:
        server.sent.clear()
        tab.open(f"{server.url}pages/")
        network = tab.call("load", engine.page, options)
        download = sum(n for path, n in server.sent.items() if not path.startswith("pages/"))
        time.sleep(1)  # what it still writes to its cache
        server.sent.clear()
        tab.open(f"{server.url}pages/")
        before_load = usage.cpu
        cache = tab.call("load", engine.page, options)
        load_cpu = usage.cpu - before_load
        again = sum(n for path, n in server.sent.items() if not path.startswith("pages/"))
        first = _asked(tab, short, prompts.short, prompts.tokens)
        before_long = usage.cpu
        second = _asked(tab, long, prompts.long, prompts.tokens)
        before_chat = usage.cpu
        turns = tab.call("chat", messages, prompts.reply)
        chat_cpu = usage.cpu - before_chat
    tasks = [each["longest_task_ms"] for each in (network, cache, first, second, *turns)]
    return {
        "download_bytes": download,
        "second_download_bytes": again,
        "network_load_ms": network["load_ms"],
        "cache_load_ms": cache["load_ms"],
        "short_first_ms": first["first_token_ms"],
        "long_first_ms": second["first_token_ms"],
        "prefill_tps": 1000 * prompts.long / second["first_token_ms"],
        "short_decode_tps": first["decode_tokens_per_second"],
        "long_decode_tps": second["decode_tokens_per_second"],
        **{f"turn_{n}_first_ms": turn["first_token_ms"] for n, turn in enumerate(turns, 1)},
        "turn_tokens": [turn["prompt_tokens"] for turn in turns],
        "turn_reused_tokens": [turn.get("reused_tokens") for turn in turns],
        "memory_bytes": usage.memory,
        "cache_load_cpu_s": load_cpu,
        "long_cpu_s": before_chat - before_long,
        "chat_cpu_s": chat_cpu,
        "cpu_s": usage.cpu,
        "longest_task_ms": None if None in tasks else max(tasks),
    }


def _asked(tab: tabs.Tab, prompt: str, length: int, count: int) -> dict[str, Any]:
    answer: dict[str, Any] = tab.call("ask", prompt, count)
    if answer["prompt_tokens"] != length:
        raise tabs.TabFailed(f"{length} tokens were asked, it read {answer['prompt_tokens']}")
    return answer


def browsers(build: Path) -> Iterator[tuple[str, str]]:
    """Name and path of each browser that can be driven; says of the others why not."""
    for name in ("chromium", "firefox"):
        path = tabs.find(name)
        if path is None:
            print(f"no {name}: install it, or set SITEGEN_{name.upper()} to its path", flush=True)
        else:
            yield name, path


def main() -> None:
    parser = argparse.ArgumentParser(description="sitegen beside its rivals, in the browser.")
    parser.add_argument("--optimum-python", help="interpreter with optimum, onnx-ir and gguf")
    parser.add_argument("--runs", type=int, default=3, help="of each; medians are printed")
    parser.add_argument("--threads", default="1,2", help="separated by commas; default: 1,2")
    parser.add_argument("--only", default="", help=f"some of: {', '.join(ENGINES)}; by ';'")
    parser.add_argument("--large", action="store_true", help="Qwen2.5-0.5B's shape")
    parser.add_argument("--quick", action="store_true", help="a tiny model, one run, one thread")
    parser.add_argument("--json", type=Path, help="where to write everything that was measured")
    parser.add_argument(
        "--build", type=Path, default=HERE.parents[1] / "build" / "bench-browser", help="folder"
    )
    options = parser.parse_args()
    shape = "Qwen2.5-0.5B" if options.large else "tiny" if options.quick else "SmolLM2-135M"
    prompts = QUICK if options.quick else Prompts()
    runs = 1 if options.quick else options.runs
    threads = [1] if options.quick else [int(count) for count in options.threads.split(",")]
    engines = _chosen(options.only)

    paths = dict(browsers(options.build))
    engines = {name: each for name, each in engines.items() if each.browser in paths}
    formats = list(dict.fromkeys(each.format for each in engines.values()))
    folders = prepare(options.build.resolve(), shape, formats, options.optimum_python)
    try:
        packages = fetch(options.build / "packages") if {"onnx", "gguf"} & folders.keys() else {}
    except NoPackages as error:
        print(f"no rivals: {error}", flush=True)
        folders, packages = {name: at for name, at in folders.items() if name == "site"}, {}
    engines = {name: each for name, each in engines.items() if each.format in folders}
    vocabulary = json.loads((options.build / shape / "model" / "config.json").read_text())

    def open_browser(name: str) -> AbstractContextManager[tabs.Tab]:
        if name == "firefox":
            return tabs.firefox(paths[name], options.build.resolve() / "packages", 4 * LIMIT)
        return tabs.chromium(paths[name], LIMIT)

    start = machine()
    print(f"\n{start}\n", flush=True)
    served = {"pages": HERE / "pages", **packages, **folders, "sitegen": folders.get("site", HERE)}
    rows: list[dict[str, Any]] = []
    with Server(served) as server:
        for number in range(1, runs + 1):
            drawn = prompts.draw(number, vocabulary["vocab_size"])
            for count in threads:
                for name, engine in engines.items():
                    row = {"engine": name, "threads": count, "run": number}
                    try:
                        browser = open_browser(engine.browser)
                        row |= measure(engine, browser, server, count, prompts, drawn)
                    except (tabs.TabFailed, NoPackages) as error:
                        row["failure"] = str(error)
                    rows.append(row)
                    print(_line(row), flush=True)
                    _write(options.json, shape, prompts, paths, start, rows)
    found = {"rows": rows, "prompts": vars(prompts)}
    print(f"\n{shape}, medians, in brackets the ratio to sitegen:\n\n{tables(found)}")
    print(failures(rows))
    print(f"\n{start}; in the end {machine()}")
    if not rows or any("failure" in row for row in rows):
        sys.exit(1)


def _chosen(only: str) -> dict[str, Engine]:
    if not only:
        return dict(ENGINES)
    names = [name.strip() for name in only.split(";")]
    if unknown := [name for name in names if name not in ENGINES]:
        sys.exit(f"no {', '.join(unknown)}; there are: {'; '.join(ENGINES)}")
    return {name: ENGINES[name] for name in names}


def _line(row: Mapping[str, Any]) -> str:
    head = f"{row['run']}  {row['threads']}  {row['engine']:19}"
    if "failure" in row:
        return f"{head} {row['failure']}"
    load, again, short, long, second, fifth = (
        f"{row[f'{name}_ms'] / 1000:.2f}"
        for name in (
            "network_load",
            "cache_load",
            "short_first",
            "long_first",
            "turn_2_first",
            "turn_5_first",
        )
    )
    decode = f"{row['short_decode_tps']:.1f}/s, {row['long_decode_tps']:.1f}/s"
    memory = f"{row['memory_bytes'] / (1 << 20):.0f} MiB"
    return (
        f"{head} load {load}, {again} s; first token {short}, {long} s; decode {decode}; "
        f"turns {second}, {fifth} s; {memory}"
    )


def _write(
    path: Path | None,
    shape: str,
    prompts: Prompts,
    browsers: Mapping[str, str],
    machine: str,
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """After every measurement, so that a run that is cut short has said what it found."""
    if path is None:
        return
    found = {
        "shape": shape,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine,
        "browsers": {name: tabs.version(at) for name, at in browsers.items()},
        "packages": PINNED,
        "prompts": vars(prompts),
        "rows": rows,
    }
    path.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
