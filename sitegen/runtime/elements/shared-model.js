/**
 * One model as all blocks of a page see it: looked up once, loaded once.
 */

import { load, plan } from "../sitegen.js";
import { abortedError } from "../protocol.js";
import { isolateOnce } from "./isolation.js";

/**
 * @typedef {import("../protocol.js").Progress} Progress
 * @typedef {import("../protocol.js").Prompt} Prompt
 * @typedef {Awaited<ReturnType<typeof plan>>} Plan
 * @typedef {Awaited<ReturnType<typeof load>>} Model
 * @typedef {NonNullable<Parameters<Model["stream"]>[1]>} StreamOptions
 * @typedef {"looking" | "idle" | "loading" | "ready" | "failed"} Phase
 */

/** Faster reports than this only cost work: nobody reads them. */
const REPORT_MS = 100;

/** After these errors the model is gone and has to be loaded again. */
const FATAL = new Set(["device-lost", "out-of-memory", "engine-failed"]);

/** Dispatches "change" whenever a field below has changed. */
export class SharedModel extends EventTarget {
  /** @type {Map<string, SharedModel>} */
  static #all = new Map();

  /** @type {Phase} */
  phase = "looking";
  /** @type {Plan | null} */
  plan = null;
  /** What the browser would still keep for this site; null where it does not tell. @type {number | null} */
  freeBytes = null;
  /** @type {Progress | null} */
  progress = null;
  /** @type {Model | null} */
  model = null;
  /** @type {unknown} */
  error = null;

  #users = 0;
  /** @type {Promise<void> | null} */
  #looking = null;
  /** @type {AbortController | null} */
  #loading = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #report;

  /** @param {string} name */
  constructor(name) {
    super();
    this.name = name;
  }

  /**
   * @param {string} name
   * @returns {SharedModel} the same for every block of the page
   */
  static named(name) {
    let shared = this.#all.get(name);
    if (!shared) this.#all.set(name, (shared = new SharedModel(name)));
    return shared;
  }

  get isSaved() {
    return this.plan !== null && this.plan.cached_bytes >= this.plan.bytes;
  }

  /**
   * Counts a block in until its signal aborts; the last one out ends a download.
   * @param {AbortSignal} signal
   */
  join(signal) {
    this.#users += 1;
    signal.addEventListener("abort", () => {
      this.#users -= 1;
      if (this.#users === 0) this.cancel();
    });
    if (!this.plan) void this.lookUp();
  }

  /** Asks what a load would take, without downloading anything large. Never rejects. */
  async lookUp() {
    this.#looking ??= this.#lookUp();
    await this.#looking;
  }

  /** @returns {Promise<void>} */
  async #lookUp() {
    try {
      [this.plan, this.freeBytes] = await Promise.all([plan(this.name, { backend: "auto" }), freeBytes()]);
      if (this.phase === "looking" || this.phase === "failed") this.#enter("idle");
      void isolateOnce(this.plan.backend);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#looking = null;
    }
  }

  /** Downloads and starts the model, once; the outcome is in `phase` and `error`. Never rejects. */
  async load() {
    if (this.phase === "loading" || this.phase === "ready") return;
    if (!this.plan) {
      // The visitor has not seen the size yet: this looks it up, and goes no further.
      this.#enter("looking");
      return this.lookUp();
    }
    const loading = (this.#loading = new AbortController());
    this.error = null;
    this.progress = null;
    this.#enter("loading");
    try {
      this.model = await load(this.name, {
        backend: "auto",
        signal: loading.signal,
        onProgress: (progress) => this.#keep(progress),
      });
      this.#enter("ready");
    } catch (error) {
      if (loading.signal.aborted) {
        // What has arrived is kept, and the card says so.
        this.#enter("looking");
        await this.lookUp();
      } else {
        this.#fail(error);
      }
    } finally {
      clearTimeout(this.#report);
      this.#report = undefined;
      this.#loading = null;
    }
  }

  /** Ends a load that is under way; what has arrived stays on the device. */
  cancel() {
    this.#loading?.abort(abortedError());
  }

  /**
   * Streams an answer; answers of several blocks come one after another, as the model sees to.
   * @param {Prompt} prompt
   * @param {StreamOptions & { signal: AbortSignal }} options
   * @returns {AsyncGenerator<string, void>}
   */
  async *stream(prompt, options) {
    const { model } = this;
    if (!model) throw abortedError();
    try {
      yield* model.stream(prompt, options);
    } catch (error) {
      const kind = error instanceof Error && "kind" in error ? String(error.kind) : "";
      if (FATAL.has(kind) && model === this.model) {
        void model.unload(); // the next load needs its memory
        this.model = null;
        this.#fail(error);
      }
      throw error;
    }
  }

  /**
   * Has the beginning of a prompt read while nobody waits. Never rejects: an answer will say what is
   * wrong.
   * @param {Prompt} prompt
   * @param {AbortSignal} signal
   */
  async prefill(prompt, signal) {
    await this.model?.prefill(prompt, { signal }).catch(() => {});
  }

  /** @param {Progress} progress */
  #keep(progress) {
    const isNewPhase = progress.phase !== this.progress?.phase;
    this.progress = progress;
    if (isNewPhase) this.#changed();
    this.#report ??= setTimeout(() => {
      this.#report = undefined;
      this.#changed();
    }, REPORT_MS);
  }

  /** @param {unknown} error */
  #fail(error) {
    this.error = error;
    this.#enter("failed");
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.phase = phase;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @returns {Promise<number | null>} */
async function freeBytes() {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined || usage === undefined ? null : quota - usage;
  } catch {
    return null; // no secure context
  }
}
