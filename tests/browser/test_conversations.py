"""What is kept of a conversation and what is not, in a real browser."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from fault_server import FaultServer

from sitegen import site

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = pytest.mark.browser

PAGES = {
    "index.md": """
        ---
        title: Drops
        model: ./tiny
        ---
        ```chat
        system: Be a fox.
        context_overflow: drop_oldest
        max_new_tokens: 20
        temperature: 0
        ```
        """,
    "stop.md": """
        ---
        title: Stops
        model: ./tiny
        ---
        ```chat
        max_new_tokens: 60
        temperature: 0
        ```
        """,
}
QUESTIONS = ["Who sings there?", "What came out one by one?", "Who lived by the river?", "The owl?"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, export_cache: Path) -> Path:
    root = tmp_path_factory.mktemp("conversations")
    tiny_model.write(root / "tiny")
    (root / "content").mkdir()
    for name, text in PAGES.items():
        (root / "content" / name).write_text(textwrap.dedent(text).lstrip())
    return site.build(root, cache=export_cache).output


@pytest.fixture
def visit(browser: Any, built: Path) -> Iterator[Any]:
    context = browser.new_context()
    with FaultServer(built, isolated=True) as server:

        def open_(url: str = "") -> Any:
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.goto(server.url + url)
            page.locator(".consent button").first.click()
            expect(page.locator(".gate[data-phase=ready]")).to_be_attached()
            return page

        expect.set_options(timeout=20_000)
        yield open_
        context.close()


def ask(page: Any, text: str) -> None:
    page.get_by_role("textbox", name="Your message").fill(text)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".message.user").last).to_contain_text(text)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def prompt_tokens(page: Any) -> tuple[int, int]:
    """Of the last prompt, what was read and what was remembered."""
    row = page.locator(".details dd").filter(has_text="tokens read").text_content()
    read, remembered = re.fullmatch(
        r"(\d+) tokens read(?: and (\d+) remembered)?, \d+ written", row
    ).groups(default="0")
    return int(read), int(remembered)


def test_a_full_conversation_goes_on_without_its_oldest_turns_and_shows_where_memory_begins(visit):
    page = visit()
    line = page.locator(".memory")
    read = []
    for question in QUESTIONS:
        ask(page, question)
        read.append(sum(prompt_tokens(page)))
        if line.is_visible():
            break
    assert len(read) > 1, "the first question must fit"
    assert read[:-1] == sorted(read[:-1])
    assert read[-1] < read[-2] and read[-1] <= tiny_model.CONTEXT // 2
    expect(line).to_have_text("The model no longer sees what is above.")
    # All messages are still there, and the line stands before one of the reader's.
    expect(page.locator(".message.user")).to_have_count(len(read))
    after = line.evaluate("(line) => line.nextElementSibling.className")
    assert after == "message user"

    # What is forgotten stays so: the next prompt goes on where the last one did.
    before = line.evaluate("(line) => [...line.parentElement.children].indexOf(line)")
    ask(page, "So?")
    assert sum(prompt_tokens(page)) > read[-1]
    assert line.evaluate("(line) => [...line.parentElement.children].indexOf(line)") == before
    page.get_by_role("button", name="New conversation").click()
    expect(line).to_have_count(0)
    ask(page, QUESTIONS[0])
    assert sum(prompt_tokens(page)) == read[0]


def test_a_chat_reads_its_system_message_while_its_reader_still_writes(visit):
    page = visit()
    ask(page, QUESTIONS[0])
    read, remembered = prompt_tokens(page)
    # The system message with what stands around it; another question would begin after that.
    assert remembered >= 10
    page.get_by_role("button", name="New conversation").click()
    ask(page, QUESTIONS[1])
    assert prompt_tokens(page)[1] == remembered


def test_a_full_conversation_stops_where_its_author_chose_nothing(visit):
    page = visit("stop/")
    note = page.locator(".message.assistant .note:not([hidden])")
    for question in QUESTIONS:
        ask(page, question)
        if note.is_visible():
            break
    expect(note).to_contain_text("The conversation is too long for this model")
    expect(page.locator(".memory")).to_have_count(0)


LOAD = """async () => {
  globalThis.model = await sitegen.load("tiny", { backend: "wasm" });
  globalThis.ask = async (prompt, options = {}, on = model) => {
    const all = { max_new_tokens: 20, ignore_eos: true, ...options };
    return { text: await on.generate(prompt, all), last: on.info.last };
  };
}"""
EARLIER = [
    {"role": "system", "content": "Be a fox who lives by the river."},
    {"role": "user", "content": "Who sang there every morning?"},
    {"role": "assistant", "content": "A little fox."},
]
PROMPT = [*EARLIER, {"role": "user", "content": "And the owl?"}]


def ask_model(page: Any, prompt: Any, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = page.evaluate("([p, o]) => ask(p, o)", [prompt, options])
    return answer


@pytest.fixture
def page(make_site, open_page):
    page = open_page(make_site().url)
    page.evaluate(LOAD)
    return page


def test_turns_tries_and_edits_run_only_what_is_new(page):
    def other(prompt: Any) -> str:
        """The answer of a model that was never asked before."""
        return page.evaluate(
            """async (prompt) => {
              const other = await sitegen.load("tiny", { backend: "wasm" });
              const { text, last } = await ask(prompt, {}, other);
              if (last.cached_tokens !== 0) throw new Error("It remembers.");
              await other.unload();
              return text;
            }""",
            prompt,
        )

    first = ask_model(page, PROMPT)
    tokens = first["last"]["prompt_tokens"]
    assert first["last"]["cached_tokens"] == 0
    assert first["text"] == other(PROMPT)

    again = ask_model(page, PROMPT)
    assert again["text"] == first["text"]
    assert again["last"]["cached_tokens"] == tokens - 1

    answer = {"role": "assistant", "content": first["text"]}
    turn = [*PROMPT, answer, {"role": "user", "content": "So?"}]
    second = ask_model(page, turn)
    assert second["text"] == other(turn)
    assert second["last"]["prompt_tokens"] > second["last"]["cached_tokens"] >= tokens

    edited = [*EARLIER, {"role": "user", "content": "And the stars?"}]
    third = ask_model(page, edited)
    assert third["text"] == other(edited)
    # All but the question's own words and what ends it.
    assert tokens - 20 < third["last"]["cached_tokens"] < tokens

    changed = [{"role": "system", "content": "Be an owl."}, *PROMPT[1:]]
    fourth = ask_model(page, changed)
    assert fourth["text"] == other(changed)
    assert fourth["last"]["cached_tokens"] < 12


def test_an_answer_that_was_stopped_is_a_beginning_too(page):
    whole = ask_model(page, PROMPT)
    stopped = page.evaluate(
        """async (prompt) => {
          let text = "";
          for await (const piece of model.stream(prompt, { ignore_eos: true })) {
            text += piece;
            if (text.length > 5) break;
          }
          return text;
        }""",
        PROMPT,
    )
    assert whole["text"].startswith(stopped)
    again = ask_model(page, PROMPT)
    assert again["text"] == whole["text"]
    assert again["last"]["cached_tokens"] == again["last"]["prompt_tokens"] - 1


def test_a_beginning_is_read_ahead_and_gives_way(page, tokenizer):
    beginning = EARLIER[:1]
    prompts = [[*beginning, {"role": "user", "content": text}] for text in ("Who?", "Sing!")]
    ahead = page.evaluate("(prompt) => model.prefill(prompt)", beginning)
    assert ahead["held_tokens"] == ahead["prompt_tokens"] > 10
    first = ask_model(page, prompts[0])
    assert first["last"]["cached_tokens"] == ahead["prompt_tokens"]

    # What an answer left is worth more than another beginning, and the same one need not be read.
    other = page.evaluate("(prompt) => model.prefill(prompt)", "Once upon a time there was a")
    assert other["held_tokens"] < other["prompt_tokens"]
    assert ask_model(page, prompts[1])["last"]["cached_tokens"] == ahead["prompt_tokens"]

    # Asked for first, answered second: the answer does not wait for it.
    order = page.evaluate(
        """async ([beginning, prompt]) => {
          const order = [];
          const ahead = model.prefill(beginning).then((found) => order.push(["ahead", found]));
          const answer = ask(prompt).then(({ text }) => order.push(["answer", text]));
          await Promise.all([ahead, answer]);
          return order;
        }""",
        [beginning, prompts[0]],
    )
    assert order[0] == ["ahead", None]
    assert order[1] == ["answer", first["text"]]


def test_a_beginning_that_is_no_prompt_or_too_long_is_refused(page):
    refuse = """async (prompt) => {
      const refused = ({ kind, message }) => kind + message;
      return model.prefill(prompt).catch(refused);
    }"""
    assert "bad-request" in page.evaluate(refuse, [])
    assert "context-full" in page.evaluate(refuse, "fox " * 200)
    assert ask_model(page, PROMPT)["last"]["completion_tokens"] == 20


def test_guessed_tokens_change_no_text_of_200_prompts(page):
    found = page.evaluate(
        """async () => {
          const words = "Once upon a time there was little fox who sang owl river stars".split(" ");
          let state = 1;
          const next = (most) => (state = (16807 * state) % 2147483647) % most;
          const differing = [];
          let guessed = 0;
          for (let n = 0; n < 200; n++) {
            const some = Array.from({ length: 3 + next(5) }, () => words[next(words.length)]);
            const prompt = some.join(" ");
            const sampling = n % 4 === 0 ? { temperature: 0.5, seed: n } : {};
            const without = await ask(prompt, { ...sampling, speculation: false });
            const { text, last } = await ask(prompt, { ...sampling, speculation: true });
            if (text !== without.text || without.last.guessed_tokens !== 0) differing.push(prompt);
            guessed += last.guessed_tokens;
          }
          return { differing, guessed };
        }"""
    )
    assert found["differing"] == []
    assert found["guessed"] > 200


def test_guesses_are_made_by_themselves_only_where_the_text_stays_the_same(page):
    exact, default, asked = page.evaluate(
        """async () => {
          const small = await sitegen.load("small", { backend: "wasm" });
          const prompt = "a little fox and a little fox and a little fox";
          const guessed = [];
          for (const [on, choice] of [[model, {}], [small, {}], [small, { speculation: true }]]) {
            let total = 0;
            for (let seed = 0; seed < 10; seed++) {
              const { last } = await ask(prompt, { ...choice, seed, temperature: 0.3 }, on);
              total += last.guessed_tokens;
            }
            guessed.push(total);
          }
          return guessed;
        }"""
    )
    assert exact > 0  # float32
    assert default == 0  # int8
    assert asked > 0
