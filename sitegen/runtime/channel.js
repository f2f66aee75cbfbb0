/**
 * The page's side of the protocol: one worker, replies matched to requests by id.
 */

import { SitegenError, abortedError } from "./protocol.js";

/** @typedef {import("./protocol.js").FromWorker} FromWorker */
/** @typedef {import("./protocol.js").ToWorker} ToWorker */

/**
 * Replies that arrived and nobody has read yet.
 * @typedef {object} Inbox
 * @property {FromWorker[]} messages
 * @property {() => void} wake
 * @property {(last: FromWorker) => void} onEnd
 */

export class Channel {
  /** @type {Map<number, Inbox>} */
  #inboxes = new Map();
  #lastId = 0;
  /** @type {SitegenError | null} */
  #closed = null;

  constructor() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.#deliver(data);
    this.worker.onerror = (event) => {
      const reason = event.message ?? "its script could not be loaded";
      this.close(
        new SitegenError("engine-failed", `The engine stopped: ${reason}. Reload the page.`, { reason }),
      );
    };
  }

  /**
   * Send a request and yield its replies while they come; an `error` is thrown. A consumer that
   * leaves early ends the generation, and the worker is idle when it has left.
   * @param {{ kind: "load", task: any } | { kind: "generate", prompt: any, options: any }
   *   | { kind: "prefill", prompt: any }} request
   * @param {AbortSignal} [signal]  ends a generation, which then throws "aborted"
   * @param {(last: FromWorker) => void} [onEnd]  gets the last reply, also when nobody
   *   reads any more
   * @returns {AsyncGenerator<FromWorker, void, void>}
   */
  async *request(request, signal, onEnd = () => {}) {
    if (signal?.aborted) throw abortedError();
    if (this.#closed) throw this.#closed;
    const id = ++this.#lastId;
    /** @type {Inbox} */
    const inbox = { messages: [], wake: () => {}, onEnd };
    this.#inboxes.set(id, inbox);
    const stop = () => this.#post({ kind: "stop", id });
    signal?.addEventListener("abort", stop);
    let isOpen = true;
    try {
      this.#post({ ...request, id });
      while (isOpen) {
        const message = await next(inbox);
        isOpen = !isLast(message);
        if (message.kind === "error") throw SitegenError.fromRecord(message.error);
        if (signal?.aborted && isOpen) continue;
        yield message;
      }
      if (signal?.aborted) throw abortedError();
    } finally {
      signal?.removeEventListener("abort", stop);
      if (isOpen) {
        stop();
        while (!isLast(await next(inbox)));
      }
      this.#inboxes.delete(id);
    }
  }

  /**
   * End the worker at once; requests under way throw `reason`.
   * @param {SitegenError} reason
   */
  close(reason) {
    if (this.#closed) return;
    this.#closed = reason;
    this.worker.terminate();
    for (const id of this.#inboxes.keys()) {
      this.#deliver({ kind: "error", id, error: reason.toRecord() });
    }
  }

  /** @param {ToWorker} message */
  #post(message) {
    this.worker.postMessage(message);
  }

  /** @param {FromWorker} message */
  #deliver(message) {
    const inbox = this.#inboxes.get(message.id);
    inbox?.messages.push(message);
    inbox?.wake();
    if (isLast(message)) inbox?.onEnd(message);
  }
}

/** @param {FromWorker} message */
function isLast({ kind }) {
  return ["loaded", "done", "prefilled", "error"].includes(kind);
}

/**
 * @param {Inbox} inbox
 * @returns {Promise<FromWorker>}
 */
async function next(inbox) {
  while (inbox.messages.length === 0) {
    await new Promise((resolve) => {
      inbox.wake = () => resolve(undefined);
    });
  }
  return /** @type {FromWorker} */ (inbox.messages.shift());
}
