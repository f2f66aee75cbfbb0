"""The app blocks on a built site, in a real browser: what a visitor sees and can do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from fault_server import FaultServer

from sitegen import site

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

PAGES = {
    "index.md": """
        ---
        title: Chat
        model: ./tiny
        ---
        ```chat
        title: Ask the fox
        greeting: Hello <b>you</b>
        examples: ["Who sings there?"]
        max_new_tokens: 60
        temperature: 0
        ```
        """,
    "story.md": """
        ---
        title: Story
        model: ./tiny
        ---
        ```complete
        prompt: Once upon a time
        max_new_tokens: 40
        temperature: 0
        ```
        """,
    "form.md": """
        ---
        title: Form
        model: ./tiny
        ---
        ```form
        fields:
          - {name: who, label: Who, required: true}
          - {name: words, label: Words, type: number, min: 2, max: 9, default: 20}
        prompt: "{{ who }} sang {{ words }} words"
        max_new_tokens: 20
        temperature: 0
        ```
        """,
    "two.md": """
        ---
        title: Two
        model: ./tiny
        ---
        ```chat
        max_new_tokens: 20
        ```

        ```complete
        prompt: Once upon a time
        max_new_tokens: 20
        ```
        """,
}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, export_cache: Path) -> Path:
    """The site of PAGES, built as an author builds it."""
    root = tmp_path_factory.mktemp("elements")
    tiny_model.write(root / "tiny")
    for name, text in PAGES.items():
        path = root / "content" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(re.sub(r"^ {8}", "", text, flags=re.M).lstrip())
    return site.build(root, cache=export_cache).output


@pytest.fixture
def server(built: Path) -> Iterator[FaultServer]:
    # Isolated, so that no page reloads itself to become so.
    with FaultServer(built, isolated=True) as server:
        yield server


Visit = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, server: FaultServer) -> Iterator[Visit]:
    """A page of the site in a browser that has never seen it; fails on errors in its scripts."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_(url: str = "", **context: Any) -> Any:
        contexts.append(browser.new_context(**context))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url + url)
        return page

    expect.set_options(timeout=20_000)
    yield open_
    for context in contexts:
        context.close()
    assert errors == []


def downloads(server: FaultServer) -> list[str]:
    return [path for path in server.requests if path.startswith("_sitegen/files/")]


def agree(page: Any) -> None:
    page.locator(".consent button").first.click()


def ask(page: Any, text: str) -> None:
    page.get_by_role("textbox", name="Your message").fill(text)
    page.get_by_role("button", name="Send").click()


def answers(page: Any) -> Any:
    return page.locator(".message.assistant .text")


# ---- consent ----


def test_consent_shows_the_size_and_nothing_large_is_fetched_before_the_click(visit, server, built):
    page = visit()
    index = json.loads((built / "_sitegen" / "models.json").read_text())
    total = index["models"][0]["bytes"]["wasm"]
    total += index["engine"]["builds"]["wasm"]["binary"]["bytes"]
    expect(page.locator(".consent")).to_contain_text(f"{total / 1e6:.1f} MB to download")
    expect(page.locator(".consent")).to_contain_text("licence cc0-1.0")
    expect(page.locator(".consent")).to_contain_text("on your processor (WebAssembly)")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    assert downloads(server) == []
    assert not any(path.endswith(".wasm") for path in server.requests)
    agree(page)
    expect(page.locator(".gate[data-phase=ready]")).to_be_attached()
    assert downloads(server)


def test_what_was_typed_before_the_download_is_kept_and_then_sent(visit, server):
    page = visit()
    ask(page, "Who sings?")
    button = page.get_by_role("button", name="and send")
    expect(button).to_be_focused()
    expect(page.get_by_role("textbox")).to_have_value("Who sings?")
    assert downloads(server) == []
    button.click()
    expect(page.locator(".message.user")).to_contain_text("Who sings?")
    expect(page.get_by_role("textbox")).to_have_value("")
    expect(answers(page).last).to_contain_text(re.compile(r"\S"))


def test_a_second_visit_needs_no_download_and_no_second_consent(visit, server):
    page = visit()
    agree(page)
    expect(page.locator(".gate[data-phase=ready]")).to_be_attached()
    server.requests.clear()
    page.reload()
    expect(page.locator(".consent")).to_contain_text("Saved on this device")
    ask(page, "Hello")
    expect(answers(page).last).to_contain_text(re.compile(r"\S"))
    assert downloads(server) == []


def test_cancel_goes_back_to_consent_and_sends_nothing(visit, server):
    # The connection breaks until the loader gives up, so that there is time to cancel.
    faults = server.faults
    page = visit()
    expect(page.locator(".consent")).to_be_visible()
    for path in all_files(server):
        faults[path] += ["503"] * 50
    ask(page, "Who sings?")
    agree(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name=re.compile("^Download"))).to_be_visible()
    expect(page.get_by_role("textbox")).to_have_value("Who sings?")
    expect(page.locator(".message.user")).to_have_count(0)


def all_files(server: FaultServer) -> list[str]:
    return [
        path.relative_to(server.folder).as_posix()
        for path in (server.folder / "_sitegen" / "files").iterdir()
    ]


def test_a_failed_download_says_what_to_do_and_a_retry_goes_on(visit, server):
    page = visit()
    expect(page.locator(".consent")).to_be_visible()
    for path in all_files(server):
        server.faults[path] += ["503"] * 50
    ask(page, "Who sings?")
    agree(page)
    problem = page.locator(".problem")
    expect(problem).to_contain_text("The download stopped")
    expect(problem).to_contain_text("then try again. What has arrived is kept.")
    server.faults.clear()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".message.user")).to_contain_text("Who sings?")
    expect(answers(page).last).to_contain_text(re.compile(r"\S"))


def test_a_retry_before_the_size_is_known_asks_for_consent(visit, server):
    server.faults["_sitegen/models.json"] += ["503"] * 9
    page = visit()
    expect(page.locator(".problem")).to_contain_text("could not be read. Reload the page.")
    server.faults.clear()
    ask(page, "Who sings?")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="and send")).to_be_focused()
    assert downloads(server) == []


def test_an_unknown_model_says_so_and_offers_no_retry(visit):
    page = visit("story/")
    page.evaluate(
        """() => {
          const block = document.createElement("sitegen-chat");
          block.setAttribute("model", "large");
          document.querySelector("main").append(block);
        }"""
    )
    problem = page.locator("sitegen-chat .problem")
    expect(problem).to_contain_text('This site has no model named "large". It has: tiny.')
    expect(problem.get_by_role("button")).to_have_count(0)


# ---- chat ----


@pytest.fixture
def chat(visit):
    """A page whose chat has answered once, with its model ready."""
    page = visit()
    ask(page, "Who sings there?")
    agree(page)
    expect(page.get_by_role("button", name="Copy")).to_be_visible()
    return page


def test_an_answer_is_a_log_that_is_busy_only_while_it_grows(chat):
    log = chat.get_by_role("log", name="Conversation")
    expect(log).to_have_attribute("aria-busy", "false")
    expect(log).to_have_attribute("aria-live", "off")
    answer = answers(chat).last.inner_text()
    assert answer.strip()
    spoken = chat.locator("[role=status]").inner_text()
    assert "is writing" in spoken
    assert answer.split()[-1] in spoken


def test_text_is_never_read_as_markup(chat):
    expect(answers(chat).first).to_have_text("Hello <b>you</b>")
    ask(chat, "<img src=x onerror=alert(1)>")
    expect(chat.locator(".message.user").last).to_contain_text("<img src=x onerror=alert(1)>")
    expect(chat.locator("img")).to_have_count(0)


def test_escape_stops_an_answer_and_keeps_what_there_is(chat):
    whole = answers(chat).last.inner_text()
    # Escape is pressed by the page itself at the first piece: from outside it would come too late.
    chat.evaluate(
        """() => {
          const shadow = document.querySelector("sitegen-chat").shadowRoot;
          new MutationObserver((_, observer) => {
            const answer = [...shadow.querySelectorAll(".assistant .text")].at(-1);
            if (!answer.textContent) return;
            observer.disconnect();
            const key = new KeyboardEvent("keydown", { key: "Escape", bubbles: true });
            shadow.querySelector("textarea").dispatchEvent(key);
          }).observe(shadow, { childList: true, characterData: true, subtree: true });
        }"""
    )
    chat.get_by_role("button", name="Try again").click()
    expect(chat.locator(".message.assistant .note").last).to_have_text("Stopped.")
    stopped = answers(chat).last.inner_text()
    assert stopped and whole.startswith(stopped) and len(stopped) < len(whole)
    expect(chat.get_by_role("button", name="Send")).to_be_visible()
    chat.get_by_role("button", name="Try again").click()
    expect(answers(chat).last).to_have_text(whole, use_inner_text=True)


def test_editing_the_last_message_takes_the_turn_back_and_keeps_a_draft(chat):
    box = chat.get_by_role("textbox")
    box.fill("a draft")
    chat.get_by_role("button", name="Edit").click()
    expect(box).to_have_value("Who sings there?")
    expect(chat.locator(".message.user")).to_have_count(0)
    box.fill("Who drinks?")
    box.press("Enter")
    expect(chat.locator(".message.user")).to_contain_text("Who drinks?")
    expect(box).to_have_value("a draft")


def test_a_new_conversation_is_empty_but_for_the_greeting(chat):
    chat.get_by_role("button", name="New conversation").click()
    expect(chat.locator(".message")).to_have_count(1)
    expect(chat.get_by_role("button", name="Who sings there?")).to_be_visible()


def test_the_conversation_works_by_keyboard_alone(visit):
    page = visit()
    expect(page.locator(".consent")).to_be_visible()
    page.locator("textarea").focus()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="and send")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".message.user .text")).to_have_text("one\ntwo", use_inner_text=True)
    expect(page.get_by_role("textbox")).to_be_focused()
    expect(page.get_by_role("button", name="Copy")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Try again")).to_be_focused()


def test_enter_does_not_send_while_an_input_method_composes(visit):
    page = visit()
    page.locator("textarea").fill("にほん")
    page.locator("textarea").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(page.get_by_role("textbox")).to_have_value("にほん")
    expect(page.get_by_role("button", name="and send")).to_have_count(0)


def test_the_details_say_where_the_model_ran(chat):
    chat.locator("summary").click()
    details = chat.locator(".details")
    expect(details).to_contain_text("your processor (WebAssembly")
    expect(details).to_contain_text("tokens/s")
    expect(details).to_contain_text("never leave this device")


def test_a_block_taken_out_of_the_page_ends_its_answer(chat):
    chat.evaluate(
        """async () => {
          const block = document.querySelector("sitegen-chat");
          const shadow = block.shadowRoot;
          shadow.querySelector("[aria-label^='Try again']").click();
          globalThis.wasWriting = block.isWriting;
          block.remove();
          while (block.isWriting) await new Promise((resolve) => setTimeout(resolve, 20));
        }"""
    )
    assert chat.evaluate("globalThis.wasWriting") is True


# ---- complete ----


def test_a_text_is_continued_in_place_and_the_continuation_can_be_undone(visit):
    page = visit("story/")
    area = page.get_by_role("textbox")
    expect(area).to_have_value("Once upon a time")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="and continue").click()
    undo = page.get_by_role("button", name="Undo the last continuation")
    expect(undo).to_be_visible()
    text = area.input_value()
    assert text.startswith("Once upon a time") and len(text) > len("Once upon a time")
    mark = page.locator(".layer mark").inner_text()
    assert "Once upon a time" + mark == text

    area.press("Control+End")
    page.keyboard.type(" Mine.")
    undo.click()
    expect(area).to_have_value("Once upon a time Mine.")
    expect(page.locator(".layer mark")).to_have_count(0)
    page.get_by_role("button", name="Start over").click()
    expect(area).to_have_value("Once upon a time")


# ---- form ----


def test_a_form_says_which_fields_are_wrong_and_goes_to_the_first(visit, server):
    page = visit("form/")
    page.get_by_role("button", name="Run").click()
    who, words = page.get_by_label("Who"), page.get_by_label("Words")
    expect(who).to_be_focused()
    expect(who).to_have_accessible_description("This cannot stay empty.")
    expect(words).to_have_accessible_description("Not more than 9.")
    who.fill("The fox")
    expect(who).not_to_have_attribute("aria-invalid", "true")
    words.fill("5")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("button", name="and run")).to_be_focused()
    assert downloads(server) == []


def test_who_asks_before_the_size_is_known_is_led_to_the_consent(visit):
    # What a service worker answers does not pass page.route.
    page = visit("form/", service_workers="block")
    held: list[Any] = []
    page.route("**/models.json", lambda route: held.append(route))
    page.reload()
    page.get_by_label("Who").fill("The fox")
    page.get_by_label("Words").fill("5")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("button", name="and run")).to_have_count(0)
    for route in held:
        route.continue_()
    expect(page.get_by_role("button", name="and run")).to_be_focused()


def test_a_form_is_answered_by_the_model(visit):
    page = visit("form/")
    page.get_by_label("Who").fill("The fox")
    page.get_by_label("Words").fill("5")
    page.get_by_label("Words").press("Control+Enter")
    page.get_by_role("button", name="and run").click()
    expect(page.get_by_role("group", name="Answer")).to_contain_text(re.compile(r"\S"))
    expect(page.get_by_role("button", name="Copy")).to_be_visible()


def test_a_form_pressed_twice_is_stopped_at_once(visit):
    page = visit("form/")
    agree(page)
    expect(page.locator(".gate[data-phase=ready]")).to_be_attached()
    page.get_by_label("Who").fill("The fox")
    page.get_by_label("Words").fill("5")
    page.evaluate(
        """() => {
          const form = document.querySelector("sitegen-form").shadowRoot.querySelector("form");
          form.requestSubmit();
          form.requestSubmit();
        }"""
    )
    expect(page.locator(".note")).to_have_text("Stopped.")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("button", name="Copy")).to_be_visible()
    expect(page.locator(".note")).to_be_hidden()


# ---- the page ----


def test_two_blocks_share_one_load(visit, server):
    page = visit("two/")
    expect(page.locator(".consent")).to_have_count(2)
    agree(page)
    expect(page.locator(".gate[data-phase=ready]")).to_have_count(2)
    fetched = downloads(server)
    assert sorted(fetched) == sorted(set(fetched))


def test_a_model_that_broke_is_given_up_and_can_be_loaded_again(chat):
    # The worker's own words cannot be brought about: the page hears them from a worker it has.
    chat.add_init_script(
        """globalThis.workers = [];
        globalThis.Worker = class extends Worker {
          constructor(...how) { super(...how); workers.push(this); }
          terminate() { super.terminate(); workers.splice(workers.indexOf(this), 1); }
        };"""
    )
    chat.reload()
    ask(chat, "Who sings there?")
    expect(chat.get_by_role("button", name="Copy")).to_be_visible()
    assert chat.evaluate("workers.length") == 1
    chat.evaluate(
        """() => {
          document.querySelector("sitegen-chat").shadowRoot.querySelector("[aria-label^='Try']").click();
          const error = { kind: "out-of-memory", message: "Not enough.", detail: {} };
          // 1 loaded the model, 2 was the first answer.
          const data = { kind: "error", id: 3, error };
          setTimeout(() => workers[0].dispatchEvent(new MessageEvent("message", { data })));
        }"""
    )
    expect(chat.locator(".problem")).to_contain_text("Not enough.")
    assert chat.evaluate("workers.length") == 0
    # What waits for the model does not outlive its conversation.
    chat.get_by_role("button", name="Try again: a new answer").click()
    chat.get_by_role("button", name="New conversation").click()
    chat.locator(".problem").get_by_role("button", name="Try again").click()
    expect(chat.locator(".gate[data-phase=ready]")).to_be_attached()
    assert chat.evaluate("workers.length") == 1
    expect(chat.locator(".message")).to_have_count(1)


def test_a_page_reads_without_javascript(visit, server):
    page = visit(java_script_enabled=False)
    block = page.locator("sitegen-chat")
    expect(block).to_contain_text("Ask the fox")
    expect(block).to_contain_text("Who sings there?")
    expect(block).to_contain_text("licence: cc0-1.0")
    expect(block).to_contain_text("It needs JavaScript", use_inner_text=True)


def test_the_policy_of_the_page_is_kept(visit):
    page = visit()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.reload()
    agree(page)
    expect(page.locator(".gate[data-phase=ready]")).to_be_attached()
    assert [text for text in refused if "Content Security Policy" in text] == []


def test_the_chosen_colours_hold_on_the_next_page(visit):
    page = visit(color_scheme="light")
    button = page.get_by_role("button", name="Colours: as the system")
    button.click()
    button = page.get_by_role("button", name="Colours: light")
    button.click()
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    page.goto(page.url + "story/")
    expect(page.locator("html")).to_have_attribute("data-colours", "dark")


def test_a_host_without_headers_gives_threads_after_one_reload(browser, built):
    with FaultServer(built) as server:
        context = browser.new_context()
        try:
            page = context.new_page()
            page.add_init_script("sessionStorage.visits = Number(sessionStorage.visits ?? 0) + 1")
            loads: list[Any] = []
            page.on("load", lambda page: loads.append(page))
            page.goto(server.url)
            # No other question to the page until then: Playwright's count as a visitor's doing.
            while len(loads) < 2:
                page.wait_for_event("load")
            expect(page.locator(".consent")).to_be_visible()
            assert page.evaluate("crossOriginIsolated") is True
            assert page.evaluate("sessionStorage.visits") == "2"
        finally:
            context.close()
