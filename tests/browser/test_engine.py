"""The engine in a real browser: what it answers, on each backend, and how it stops."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from python_engine import PythonSequence, onnxruntime_ids

pytestmark = pytest.mark.browser

PROMPT = "Once upon a time there was"
CONTEXT = 128

POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"

LOAD = """async ([name, options]) => {
  const events = [];
  try {
    globalThis.model = await sitegen.load(name, { ...options, onProgress: (e) => events.push(e) });
    return { info: model.info, events };
  } catch (error) {
    return { kind: error.kind, message: error.message, detail: error.detail, events };
  }
}"""
GENERATE = """async ([prompt, options]) => {
  try {
    return { text: await model.generate(prompt, options), last: model.info.last };
  } catch (error) {
    return { kind: error.kind, message: error.message, detail: error.detail };
  }
}"""
FREE = {"temperature": 0, "ignore_eos": True}
GREEDY = {"max_new_tokens": 40, "ignore_eos": True}


def load(page: Any, name: str, **options: Any) -> dict[str, Any]:
    result: dict[str, Any] = page.evaluate(LOAD, [name, options])
    return result


def generate(page: Any, prompt: Any, **options: Any) -> dict[str, Any]:
    result: dict[str, Any] = page.evaluate(GENERATE, [prompt, options])
    return result


@pytest.fixture
def page(home_page):
    """A page on which the unquantized model runs by WebAssembly."""
    if home_page.evaluate("globalThis.model === undefined"):
        assert "info" in load(home_page, "tiny", backend="wasm")
    return home_page


# Loading compares greedy ids with those of Python, 64 where rounding allows: see `site_models`.


@pytest.mark.parametrize("name, variant", [("tiny", "fp32"), ("small", "wasm")])
@pytest.mark.parametrize("isolated", [False, True])
def test_wasm_gives_the_reference_ids(make_site, open_page, name, variant, isolated):
    site = make_site(isolated=isolated)
    site.headers["Content-Security-Policy"] = POLICY
    page = open_page(site.url)
    loaded = load(page, name, backend="wasm", threads=2)
    assert loaded["info"]["variant"] == variant, loaded
    assert loaded["info"]["threads"] == (2 if isolated else 1)
    assert loaded["events"][-1]["phase"] == "ready"


@pytest.mark.slow  # the adapter is software
@pytest.mark.parametrize("name, variant", [("tiny", "fp32"), ("small", "webgpu-f32")])
def test_webgpu_gives_the_reference_ids(make_site, open_page, name, variant):
    site = make_site()
    site.headers["Content-Security-Policy"] = POLICY
    page = open_page(site.url)
    loaded = load(page, name, backend="webgpu")
    assert "info" in loaded, loaded
    assert (loaded["info"]["variant"], loaded["info"]["backend"]) == (variant, "webgpu")
    again = [generate(page, PROMPT, **GREEDY)["text"] for _ in range(2)]
    assert again[0] == again[1] != ""


@pytest.mark.slow
def test_webgpu_without_jspi_uses_the_asyncify_build(make_site, open_page):
    site = make_site()
    site.headers["Content-Security-Policy"] = POLICY
    page = open_page(site.url, script="delete WebAssembly.Suspending")
    loaded = load(page, "tiny", backend="webgpu")
    assert loaded["info"]["backend"] == "webgpu", loaded
    assert any("asyncify" in path for path in site.requests)


def test_a_software_adapter_is_not_chosen_by_itself(make_site, open_page):
    page = open_page(make_site().url)
    plan = page.evaluate("async () => sitegen.plan('small')")
    assert plan["variant"] == "wasm"
    assert plan["reason"] == "no shader-f16; WebGPU runs in software here"
    assert plan["bytes"] == sum(file["bytes"] for file in plan["files"])
    assert plan["cached_bytes"] == 0
    loaded = load(page, "small")
    assert loaded["info"]["backend"] == "wasm"
    assert [each["variant"] for each in loaded["info"]["fallbacks"]] == ["webgpu-f16", "webgpu-f32"]
    assert page.evaluate("async () => (await sitegen.plan('small')).cached_bytes") == plan["bytes"]
    listed = page.evaluate("async () => sitegen.models()")
    assert {each["name"]: each["cached"] for each in listed}["small"] is True
    assert {each["name"]: each["cached"] for each in listed}["tiny"] is False


def test_a_variant_that_fails_its_self_check_is_dropped_for_the_next(make_site, open_page):
    page = open_page(make_site().url)
    loaded = load(page, "doubtful")
    assert loaded["info"]["variant"] == "wasm"
    failed = loaded["info"]["fallbacks"][-1]
    assert failed["variant"] == "fp32"
    assert "wrong answers to its test on this device" in failed["reason"]


def test_no_variant_left_says_so(make_site, open_page):
    failed = load(open_page(make_site().url), "wrong")
    assert failed["kind"] == "self-check-failed"
    assert failed["detail"]["got"] != failed["detail"]["expected"]


def test_text_continues_with_the_greedy_tokens(page, site_models, tokenizer):
    ids = tokenizer.encode(PROMPT).ids
    expected = tokenizer.decode(onnxruntime_ids(site_models["tiny"], "fp32", ids, 40))
    answer = generate(page, PROMPT, **GREEDY)
    assert answer["text"] == expected
    assert answer["last"]["prompt_tokens"] == len(ids)
    assert answer["last"]["completion_tokens"] == 40
    assert answer["last"]["finish_reason"] == "length"


def test_messages_go_through_the_chat_template(page, site_models, tokenizer):
    text = "<|start|>user\nHello<|end|>\n<|start|>assistant\n"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    expected = tokenizer.decode(onnxruntime_ids(site_models["tiny"], "fp32", ids, 40))
    answer = generate(page, [{"role": "user", "content": "Hello"}], **GREEDY)
    assert answer["text"] == expected
    assert answer["last"]["prompt_tokens"] == len(ids)


def test_the_end_token_ends_unless_it_is_ignored(page, site_models, tokenizer):
    # A seed of which the end token is drawn early; found once, kept by the seeded generator.
    options = {"temperature": 3.0, "max_new_tokens": 100, "seed": 1}
    ended = generate(page, PROMPT, **options)
    free = generate(page, PROMPT, **options, ignore_eos=True)
    assert free["last"]["completion_tokens"] == 100
    assert free["text"].startswith(ended["text"])
    if ended["last"]["finish_reason"] == "stop":
        assert ended["last"]["completion_tokens"] < 100


def test_a_seed_repeats_the_text_and_another_does_not(page):
    options = {"temperature": 1.5, "top_k": 40, "top_p": 0.95, **GREEDY}
    first, second, other = (generate(page, PROMPT, **options, seed=s)["text"] for s in (7, 7, 8))
    assert first == second
    assert first != other


def test_a_stop_string_ends_the_text_before_it(page):
    whole = generate(page, PROMPT, **GREEDY)["text"]
    stop = whole[len(whole) // 2 - 3 : len(whole) // 2 + 3]  # lies across tokens
    answer = generate(page, PROMPT, **GREEDY, stop=[stop, "never said"])
    assert answer["text"] == whole[: whole.index(stop)]
    assert answer["last"]["finish_reason"] == "stop"


def test_an_answer_is_held_to_a_form_without_unsafe_eval(make_site, open_page):
    site = make_site()
    site.headers["Content-Security-Policy"] = POLICY
    page = open_page(site.url)
    assert "info" in load(page, "tiny", backend="wasm")
    pattern = {"type": "regex", "pattern": "[a-c]{2}(é|ü)!"}
    for seed in range(3):
        held = generate(page, PROMPT, response_format=pattern, temperature=1, seed=seed)
        assert re.fullmatch("[a-c]{2}[éü]!", held["text"]), held
        assert held["last"]["finish_reason"] == "stop"
    properties = {"ok": {"type": "boolean"}, "n": {"type": "integer", "minimum": 3, "maximum": 14}}
    schema = {"properties": properties, "required": ["ok", "n"]}
    asked = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    held = generate(page, PROMPT, response_format=asked, temperature=1, seed=1, max_new_tokens=120)
    found = json.loads(held["text"])
    assert list(found) == ["ok", "n"] and found["ok"] in (True, False) and 3 <= found["n"] <= 14
    cut = generate(page, PROMPT, response_format=asked, temperature=0, max_new_tokens=2)
    assert cut["last"]["finish_reason"] == "length"
    asked["json_schema"]["schema"] = {"type": "array", "uniqueItems": True}
    refused = generate(page, PROMPT, response_format=asked)
    assert refused["kind"] == "bad-request" and "uniqueItems" in refused["message"]
    assert generate(page, PROMPT, max_new_tokens=40, ignore_eos=True)["text"] != ""


def test_logprobs_and_penalties_are_those_of_the_logits_that_python_computes(
    page, site_models, tokenizer
):
    options = {"repetition_penalty": 1.6, "max_new_tokens": 12, "ignore_eos": True}
    answer = generate(page, PROMPT, **options, temperature=0, logprobs=True, top_logprobs=3)
    ids = tokenizer.encode(PROMPT).ids
    sequence = PythonSequence(site_models["tiny"], "fp32")
    logits = sequence.run(ids)
    told = answer["last"]["logprobs"]
    assert len(told) == answer["last"]["completion_tokens"] == 12
    for token in told:
        own = logits - np.logaddexp.reduce(logits.astype(np.float64))
        seen = np.array(sorted(set(ids)))
        scores = logits.copy()
        scores[seen] = np.where(scores[seen] < 0, scores[seen] * 1.6, scores[seen] / 1.6)
        chosen = int(scores.argmax())
        assert token["logprob"] == pytest.approx(own[chosen], abs=1e-3)
        best = np.sort(own)[::-1][:3]
        assert [each["logprob"] for each in token["top_logprobs"]] == pytest.approx(best, abs=1e-3)
        ids.append(chosen)
        logits = sequence.run([chosen])
    text = b"".join(bytes(token["bytes"]) for token in told).decode(errors="replace")
    assert text == answer["text"] == tokenizer.decode(ids[-12:])
    assert generate(page, PROMPT, **GREEDY)["last"]["logprobs"] is None


def test_chat_completions_have_the_shape_of_openai_and_the_text_of_generate(page):
    body = {"messages": [{"role": "user", "content": "Hello"}], "model": "tiny", "logprobs": True}
    options = {"temperature": 1.5, "seed": 3, "ignore_eos": True}
    text = generate(page, body["messages"], **options, max_new_tokens=20)["text"]
    whole, chunks, info = page.evaluate(
        """async (body) => {
          const { completions } = model.chat;
          const whole = await completions.create(body);
          const chunks = [];
          const stream_options = { include_usage: true };
          const stream = await completions.create({ ...body, stream: true, stream_options });
          for await (const chunk of stream) chunks.push(chunk);
          return [whole, chunks, model.info];
        }""",
        {**body, **options, "max_tokens": 20},
    )
    (choice,) = whole["choices"]
    assert choice["message"] == {"role": "assistant", "content": text, "refusal": None}
    assert choice["finish_reason"] == "length"
    assert len(choice["logprobs"]["content"]) == whole["usage"]["completion_tokens"] == 20
    assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + 20
    assert whole["system_fingerprint"] == info["fingerprint"]
    assert re.fullmatch(r"fp-[0-9a-f]{10}-fp32-wasm-[0-9a-f]{10}", info["fingerprint"])

    *parts, last = chunks
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    told = [part["choices"][0] for part in parts]
    assert "".join(each["delta"].get("content", "") for each in told) == text
    scores = [each["logprobs"]["content"] for each in told if each["logprobs"]]
    assert [token for some in scores for token in some] == choice["logprobs"]["content"]
    assert told[-1]["finish_reason"] == "length"


def test_tools_go_through_the_chat_template(page, site_models, tokenizer):
    tools = [{"type": "function", "function": {"name": "f"}}]
    text = f"<tool_call>{json.dumps(tools)}\n<|start|>user\nHi<|end|>\n<|start|>assistant\n"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    expected = tokenizer.decode(onnxruntime_ids(site_models["tiny"], "fp32", ids, 5))
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": tools, "max_tokens": 5}
    answer = page.evaluate("(body) => model.chat.completions.create(body)", {**body, **FREE})
    assert answer["usage"]["prompt_tokens"] == len(ids)
    assert answer["choices"][0]["message"]["content"] == expected


def test_leaving_the_chunks_of_a_completion_stops_it(page):
    kind = page.evaluate(
        """async () => {
          const messages = [{ role: "user", content: "Hello" }];
          const body = { messages, ignore_eos: true, max_tokens: 100, stream: true };
          for await (const { choices } of await model.chat.completions.create(body)) {
            if (choices[0].delta.content) break;
          }
          const controller = new AbortController();
          const { signal } = controller;
          try {
            for await (const _ of await model.chat.completions.create(body, { signal })) {
              controller.abort();
            }
          } catch (error) {
            return error.kind;
          }
        }"""
    )
    assert kind == "aborted"
    assert page.evaluate("model.info.last.completion_tokens") < 100
    assert generate(page, PROMPT, **GREEDY)["last"]["completion_tokens"] == 40


def test_leaving_the_loop_stops_and_the_model_is_usable(page):
    whole = generate(page, PROMPT, **GREEDY)["text"]
    pieces = page.evaluate(
        """async (prompt) => {
          const pieces = [];
          const options = { max_new_tokens: 100, ignore_eos: true };
          for await (const piece of model.stream(prompt, options)) {
            pieces.push(piece);
            if (pieces.length === 3) break;
          }
          return pieces;
        }""",
        PROMPT,
    )
    assert len(pieces) == 3
    assert whole.startswith("".join(pieces))
    last = page.evaluate("model.info.last")
    assert last["finish_reason"] == "aborted"
    assert last["completion_tokens"] < 100
    assert generate(page, PROMPT, **GREEDY)["text"] == whole


def test_an_abort_signal_stops_and_the_model_is_usable(page):
    whole = generate(page, PROMPT, **GREEDY)["text"]
    outcome = page.evaluate(
        """async (prompt) => {
          const controller = new AbortController();
          const { signal } = controller;
          let count = 0;
          try {
            for await (const piece of model.stream(prompt, { max_new_tokens: 100, signal })) {
              if (++count === 2) controller.abort();
            }
          } catch (error) {
            return { kind: error.kind, count, last: model.info.last };
          }
        }""",
        PROMPT,
    )
    assert (outcome["kind"], outcome["count"]) == ("aborted", 2)
    assert outcome["last"]["finish_reason"] == "aborted"
    assert generate(page, PROMPT, **GREEDY)["text"] == whole


def test_answers_asked_for_at_once_come_one_after_another(page):
    prompts = [PROMPT, "The fox", "The owl"]
    one_by_one = [generate(page, prompt, **GREEDY)["text"] for prompt in prompts]
    at_once = page.evaluate(
        "([prompts, options]) => Promise.all(prompts.map((p) => model.generate(p, options)))",
        [prompts, GREEDY],
    )
    assert at_once == one_by_one


def test_an_answer_nobody_reads_to_its_end_does_not_hold_up_the_next(page):
    whole = generate(page, PROMPT, **GREEDY)["text"]
    page.evaluate(
        """async (prompt) => {
          globalThis.abandoned = model.stream(prompt, { max_new_tokens: 30 });
          await abandoned.next();
        }""",
        PROMPT,
    )
    assert generate(page, PROMPT, **GREEDY)["text"] == whole


def test_unload_ends_what_is_under_way(page):
    outcome = page.evaluate(
        """async (prompt) => {
          const answer = model.generate(prompt, { max_new_tokens: 100 });
          await model.unload();
          return answer.catch(({ kind, message }) => ({ kind, message }));
        }""",
        PROMPT,
    )
    assert outcome["kind"] == "aborted"
    assert "Load it again" in outcome["message"]
    assert generate(page, PROMPT)["kind"] == "aborted"
    page.evaluate("delete globalThis.model")


def test_the_context_ends_an_answer_and_refuses_a_longer_prompt(page, tokenizer):
    text = "fox " * 80
    ids = tokenizer.encode(text).ids
    assert CONTEXT // 2 < len(ids) < CONTEXT
    answer = generate(page, text, max_new_tokens=1000, ignore_eos=True)
    assert answer["last"]["completion_tokens"] == CONTEXT - len(ids)
    assert answer["last"]["finish_reason"] == "length"

    long = text * 2
    refused = generate(page, long)
    assert refused["kind"] == "context-full"
    assert f"{len(tokenizer.encode(long).ids)} tokens long" in refused["message"]
    assert generate(page, PROMPT, **GREEDY)["last"]["completion_tokens"] == 40


@pytest.mark.parametrize(
    "prompt, options, message",
    [
        (PROMPT, {"max_tokens": 5}, 'There is no option "max_tokens". Options are: max_new_tokens'),
        (PROMPT, {"top_p": 0}, "top_p must be a number above 0 and at most 1, not 0."),
        (PROMPT, {"temperature": "warm"}, 'temperature must be a number, 0 or more, not "warm".'),
        (PROMPT, {"stop": "END"}, 'stop must be a list of texts, none of them empty, not "END".'),
        (PROMPT, {"seed": 1.5}, "seed must be a whole number from 0 to 2^53 - 1, not 1.5."),
        ("", {}, "The prompt is empty"),
        ([{"role": "user"}], {}, "a list of { role, content }"),
    ],
)
def test_a_bad_request_says_what_is_allowed(page, prompt, options, message):
    refused = generate(page, prompt, **options)
    assert refused["kind"] == "bad-request"
    assert message in refused["message"]


def test_an_unknown_model_or_backend_says_what_there_is(make_site, open_page):
    page = open_page(make_site().url)
    unknown = load(page, "large")
    assert unknown["kind"] == "unknown-model"
    assert "It has: tiny, small, doubtful, wrong." in unknown["message"]
    bad = load(page, "small", backend="cuda")
    assert bad["kind"] == "bad-request"
    assert bad["message"] == 'backend must be "auto", "webgpu" or "wasm", not "cuda".'


def test_a_forced_backend_that_is_not_there_is_refused(make_site, open_page):
    page = open_page(
        make_site().url, script="Object.defineProperty(Navigator.prototype, 'gpu', {value: null})"
    )
    refused = load(page, "small", backend="webgpu")
    assert refused["kind"] == "no-backend"
    assert (
        "webgpu-f32: this browser has no WebGPU; wasm: webgpu was asked for" in refused["message"]
    )


def test_a_page_without_https_says_what_to_do(make_site, open_page):
    # Any other name than localhost is no secure context over plain HTTP.
    page = open_page(make_site().url.replace("localhost", "sitegen.test"))
    refused = load(page, "small")
    assert refused["kind"] == "insecure-context"
    assert "https://" in refused["message"]
