/**
 * <sitegen-form>: named fields, a prompt template over them, and the model's answer.
 */

import { SitegenError } from "../protocol.js";
import { AppBlock } from "./block.js";
import { isSendKey } from "./composer.js";
import { copyAction, h, icon } from "./dom.js";
import { FieldInput } from "./fields.js";
import { TextFlow } from "./text-flow.js";
import { explain } from "./words.js";

export class SitegenForm extends AppBlock {
  /** @type {FieldInput[]} */
  #fields = [];
  #attempt = 0;
  #button = h("button", { type: "submit", class: "primary", part: "button" });
  #text = h("div", { class: "text", dir: "auto" });
  #flow = new TextFlow(this.#text);
  #note = h("p", { class: "note", hidden: true });
  #actions = h("div", { class: "actions" });
  #output = h(
    "div",
    { class: "output assistant", part: "output", role: "group", "aria-label": "Answer", hidden: true },
    this.#text,
    this.#note,
    this.#actions,
  );
  #form = h("form", { class: "fields", part: "fields", novalidate: true });

  get kindName() {
    return "Form";
  }
  get keys() {
    return "Ctrl+Enter or Cmd+Enter sends the form, Esc stops the answer.";
  }

  build() {
    const { fields = [] } = this.options;
    this.#fields = fields.map((field, index) => new FieldInput(field, `field-${index}`));
    this.#form.append(...this.#fields.map((field) => field.element));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#press();
    });
    this.#form.addEventListener("keydown", (event) => {
      if (!isSendKey(event) || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (!this.isWriting) this.#press();
    });
    this.#actions.append(
      copyAction(
        () => this.#flow.text.trim(),
        (message) => this.announcer.say(message),
      ),
    );
    this.content.append(this.#form);
    // The card for the model stands above the button that needs it.
    const gate = this.shadowRoot?.querySelector(".gate");
    this.#button.setAttribute("form", (this.#form.id = "form"));
    gate?.after(h("div", { class: "tools", part: "tools" }, this.#button), this.#output);
  }

  refresh() {
    const { isWriting } = this;
    const label = isWriting ? "Stop" : this.options.submit || "Run";
    this.#button.replaceChildren(...(isWriting ? [icon("stop")] : []), h("span", { dir: "auto" }, label));
    this.#button.classList.toggle("is-stop", isWriting);
    this.#output.setAttribute("aria-busy", String(isWriting));
    this.#actions.hidden = isWriting || this.#flow.isEmpty;
  }

  focusInput() {
    this.#button.focus();
  }

  #press() {
    if (this.isWriting) return this.stop();
    const wrong = this.#fields.filter((field) => !field.check());
    if (wrong.length) {
      wrong[0].focus();
      this.announcer.say(`Please look at: ${wrong.map((field) => field.label).join(", ")}.`);
      return;
    }
    this.whenReady({ label: (this.options.submit || "run").toLowerCase(), run: () => void this.#run() });
  }

  async #run() {
    this.#flow.clear();
    this.#note.hidden = true;
    this.#output.hidden = false;
    this.#output.classList.add("is-writing", "is-thinking");
    const { seed } = this.options;
    const outcome = await this.generate(
      this.#prompt(),
      (piece) => {
        this.#flow.append(piece);
        this.#output.classList.toggle("is-thinking", this.#flow.isEmpty);
      },
      // The same seed would give the same answer again.
      seed === undefined ? {} : { seed: seed + this.#attempt++ },
    );
    this.#output.classList.remove("is-writing", "is-thinking");
    if (outcome === "failed") {
      const { title, text } = explain(this.failure);
      this.#say(this.isReady ? `${title}. ${text}` : `${title}.`);
    } else if (outcome === "stopped") this.#say("Stopped.");
    else if (this.#flow.isEmpty) this.#say("The model had nothing to say.");
  }

  /**
   * The author's template over the fields, as a message where the model knows conversations.
   * @returns {Promise<import("../protocol.js").Prompt>}
   */
  async #prompt() {
    const values = Object.fromEntries(this.#fields.map((field) => [field.name, field.value]));
    const text = await render(this.options.prompt ?? "", values);
    const { system } = this.options;
    if (!this.hasChatTemplate) return system ? `${system}\n\n${text}` : text;
    return [...(system ? [{ role: "system", content: system }] : []), { role: "user", content: text }];
  }

  /** @param {string} note */
  #say(note) {
    this.#note.textContent = note;
    this.#note.hidden = false;
    this.announcer.say(note);
  }
}

/**
 * @param {string} template  Jinja
 * @param {Record<string, unknown>} values
 * @returns {Promise<string>}
 */
async function render(template, values) {
  const { Template } = await import("../vendor/jinja/jinja.js").catch(() => {
    throw new SitegenError("download-failed", "A part of this form could not be fetched. Reload the page.");
  });
  try {
    return new Template(template).render(values);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SitegenError("bad-request", `The prompt of this form is broken: ${reason}`, { reason });
  }
}
