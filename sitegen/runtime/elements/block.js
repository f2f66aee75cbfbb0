/**
 * What the three app blocks share: the model and its consent, one answer at a time, stop,
 * announcements, details. A block fills `this.content` and says what it does with a ready model.
 *
 * The block lives in a shadow tree: the author's `button {}` cannot break it, it cannot leak into
 * the page, and the element's own children are the fallback, shown until this code has run.
 */

import { Announcer } from "./announcer.js";
import { consentCard } from "./consent.js";
import { DetailsPanel } from "./details.js";
import { h } from "./dom.js";
import { problemCard } from "./problem.js";
import { ProgressCard } from "./progress.js";
import { SharedModel } from "./shared-model.js";
import { styles } from "./styles.js";

/**
 * @typedef {import("../protocol.js").Prompt} Prompt
 *
 * @typedef {object} Options  of an app block, as its author wrote them
 * @property {string} [title]
 * @property {string} [placeholder]
 * @property {string[]} [examples]
 * @property {number} [temperature]
 * @property {number} [top_k]
 * @property {number} [top_p]
 * @property {number} [min_p]
 * @property {number} [repetition_penalty]
 * @property {number} [frequency_penalty]
 * @property {number} [presence_penalty]
 * @property {number} [seed]
 * @property {number} [max_new_tokens]
 * @property {string[]} [stop]
 * @property {"stop" | "drop_oldest"} [context_overflow]
 * @property {string} [system]
 * @property {string} [greeting]
 * @property {string} [prompt]
 * @property {string} [submit]
 * @property {import("./fields.js").Field[]} [fields]
 *
 * @typedef {object} Waiting  what the visitor asked for before the model was there
 * @property {string} label  on the button of the consent card, after "and"
 * @property {() => void} run
 *
 * @typedef {"done" | "stopped" | "failed"} Outcome
 */

const GENERATION = /** @type {const} */ ([
  ...["temperature", "top_k", "top_p", "min_p"],
  ...["repetition_penalty", "frequency_penalty", "presence_penalty"],
  ...["seed", "max_new_tokens", "stop", "context_overflow"],
]);

export class AppBlock extends HTMLElement {
  /** @type {Options} */
  options = {};
  #title = h("p", { class: "title" });
  /** The line with the title; a block may add to it. */
  head = h("div", { class: "head", part: "head" }, this.#title);
  /** The block's own part of the shadow tree. */
  content = h("div", { class: "content" });
  announcer = new Announcer();
  /** Why the last answer ended early; null when it did not. @type {unknown} */
  failure = null;

  /** Aborts when the element leaves the page. */
  #lifetime = new AbortController();
  #isBuilt = false;
  /** @type {SharedModel | null} */
  #shared = null;
  /** @type {AbortController | null} */
  #writing = null;
  /** @type {Waiting | null} */
  #waiting = null;
  #gate = h("div", { class: "gate", part: "gate", lang: "en" });
  /** @type {ProgressCard | null} */
  #progress = null;
  /** @type {DetailsPanel | null} */
  #details = null;

  /* ---- for the blocks to fill in ---- */

  /** The block's name for its kind, when the author gave no title. */
  get kindName() {
    return "App";
  }
  /** How the block is used from the keyboard. */
  get keys() {
    return "";
  }
  /** Fills `this.content`; called once, with the options read. */
  build() {}
  /** Something about the model or the answer changed. */
  refresh() {}
  /** What can be read while the visitor still writes; null: nothing. @returns {Prompt | null} */
  get beginning() {
    return null;
  }
  /** Where the keyboard goes when the model is ready. */
  focusInput() {}

  /* ---- for the blocks to use ---- */

  get isWriting() {
    return this.#writing !== null;
  }

  get isReady() {
    return this.#shared?.phase === "ready";
  }

  /** The model's name for people. */
  get modelTitle() {
    return this.#shared?.plan?.title ?? "The model";
  }

  /** Of the last answer's conversation, how many messages the model was not told. */
  get droppedMessages() {
    return this.#shared?.model?.info.last?.dropped_messages ?? 0;
  }

  /** Whether the model was trained on conversations; null while nothing is known of it. */
  get hasChatTemplate() {
    const plan = this.#shared?.plan;
    return plan ? plan.manifest.tokenizer.chat_template !== null : null;
  }

  /**
   * Runs `waiting` with the model ready: now, or once the visitor has agreed to the download.
   * @param {Waiting} waiting
   */
  whenReady(waiting) {
    const shared = this.#shared;
    if (!shared) return;
    if (shared.phase === "ready") return waiting.run();
    this.#waiting = waiting;
    if (shared.phase === "idle" && shared.isSaved) void shared.load();
    else {
      this.#update();
      this.#gate.querySelector("button")?.focus();
      if (shared.phase === "idle") this.announcer.say("The model has to be downloaded first.");
    }
  }

  /**
   * Streams one answer into `write`.
   * @param {Prompt | Promise<Prompt>} prompt
   * @param {(piece: string) => void} write
   * @param {Partial<Options>} [overrides]
   * @returns {Promise<Outcome>}
   */
  async generate(prompt, write, overrides = {}) {
    const shared = this.#shared;
    if (!shared || this.#writing) return "failed";
    const { signal } = (this.#writing = new AbortController());
    const settings = { ...this.options, ...overrides };
    const options = Object.fromEntries(
      GENERATION.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]),
    );
    this.failure = null;
    this.refresh();
    this.announcer.say(`${this.modelTitle} is writing.`);
    try {
      for await (const piece of shared.stream(await prompt, { ...options, signal })) {
        write(piece);
        this.announcer.write(piece);
      }
      return signal.aborted ? "stopped" : "done";
    } catch (error) {
      if (signal.aborted) return "stopped";
      this.failure = error;
      return "failed";
    } finally {
      this.announcer.flush();
      if (signal.aborted) this.announcer.say("Stopped.");
      this.#writing = null;
      this.#details?.update(shared);
      this.refresh();
    }
  }

  /** Ends the answer that is being written; what there is of it stays. */
  stop() {
    this.#writing?.abort();
  }

  /* ---- the element ---- */

  connectedCallback() {
    if (!this.#isBuilt) {
      this.#isBuilt = true;
      this.#assemble();
    } else if (!this.#lifetime.signal.aborted) {
      return; // Moved within the page: nothing was given up.
    }
    this.#lifetime = new AbortController();
    const { signal } = this.#lifetime;
    this.#shared = SharedModel.named(this.getAttribute("model") ?? "");
    this.#shared.addEventListener("change", () => this.#update(), { signal });
    this.#shared.join(signal);
    signal.addEventListener("abort", () => this.stop());
    this.#update();
  }

  disconnectedCallback() {
    queueMicrotask(() => {
      if (!this.isConnected) this.#lifetime.abort();
    });
  }

  #assemble() {
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [styles];
    let unreadable = null;
    try {
      this.options = JSON.parse(this.getAttribute("options") || "{}");
    } catch (error) {
      unreadable = error;
    }
    this.#details = new DetailsPanel(this.keys);
    const title = this.options.title || this.kindName;
    shadow.append(
      h(
        "div",
        { class: "block", part: "block", role: "group", "aria-label": title },
        this.head,
        this.content,
        this.#gate,
        this.#details.element,
        this.announcer.element,
      ),
    );
    shadow.addEventListener("keydown", (event) => this.#onKey(/** @type {KeyboardEvent} */ (event)));
    this.build();
    if (unreadable) {
      const text = `The options of this block are not JSON: ${unreadable instanceof Error ? unreadable.message : unreadable}`;
      this.content.replaceChildren(h("p", { class: "card" }, text));
    }
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key !== "Escape" || event.isComposing || !this.isWriting) return;
    event.preventDefault();
    this.stop();
  }

  #update() {
    const shared = this.#shared;
    if (!shared) return;
    const hadFocus = this.shadowRoot?.activeElement && this.#gate.contains(this.shadowRoot.activeElement);
    const before = this.#gate.dataset.phase;
    const isNew = before !== shared.phase;
    this.#gate.dataset.phase = shared.phase;
    if (shared.phase !== "loading") this.#progress = null;
    // Cancelled: what waited for the model has to be asked for again.
    if (shared.phase === "looking" && before === "loading") this.#waiting = null;
    if (shared.phase === "idle" && this.#waiting && shared.isSaved) return void shared.load();
    if (shared.phase === "idle" && shared.plan) {
      this.#gate.replaceChildren(
        consentCard(shared.plan, {
          freeBytes: shared.freeBytes,
          then: this.#waiting?.label,
          onAccept: () => void shared.load(),
        }),
      );
    } else if (shared.phase === "loading") {
      if (!this.#progress) {
        this.#progress = new ProgressCard({
          onCancel: () => shared.cancel(),
          announce: (message) => this.announcer.say(message),
        });
        this.#gate.replaceChildren(this.#progress.element);
      }
      if (shared.progress) this.#progress.update(shared.progress);
    } else if (shared.phase === "failed" && isNew) {
      this.#gate.replaceChildren(
        problemCard(shared.error, {
          wasDownloading: shared.plan !== null,
          onRetry: () => void shared.load(),
        }),
      );
      this.announcer.say(this.#gate.querySelector(".card-text")?.textContent ?? "");
    } else if (shared.phase === "ready" && isNew) {
      this.#gate.replaceChildren();
      if (!this.#waiting) this.announcer.say(`${this.modelTitle} is ready.`);
    }
    // Asked for before there was a card to go to.
    const isAwaited = this.#waiting && before === "looking" && shared.phase === "idle";
    if (hadFocus || isAwaited) {
      if (shared.phase === "ready") this.focusInput();
      else this.#gate.querySelector("button")?.focus();
    }
    this.#title.textContent = this.options.title || shared.plan?.title || "\u00a0";
    this.#details?.update(shared);
    this.refresh();
    if (shared.phase === "ready" && this.#waiting) {
      const waiting = this.#waiting;
      this.#waiting = null;
      waiting.run();
    } else if (shared.phase === "ready" && isNew && this.beginning) {
      void shared.prefill(this.beginning, this.#lifetime.signal);
    }
  }
}
