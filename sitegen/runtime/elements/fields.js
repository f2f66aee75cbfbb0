/**
 * The labelled fields of a form, as its author described them.
 */

import { growWithText } from "./composer.js";
import { h } from "./dom.js";

/**
 * @typedef {object} Field
 * @property {string} name  as the prompt template calls it
 * @property {string} [label]
 * @property {"text" | "textarea" | "select" | "number" | "checkbox"} [type]
 * @property {string[]} [options]  of a select
 * @property {string | number | boolean} [default]
 * @property {string} [placeholder]
 * @property {boolean} [required]
 * @property {number} [min]
 * @property {number} [max]
 */

export class FieldInput {
  #input;
  #problem;

  /**
   * @param {Field} field
   * @param {string} id  unique in the shadow tree
   */
  constructor(field, id) {
    this.name = field.name;
    this.label = field.label || field.name;
    this.#input = control(field, id);
    this.#problem = h("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
    this.#input.addEventListener("input", () => this.#show(""));
    const label = h(
      "label",
      { for: id },
      this.label,
      !field.required && isOptional(field) && h("span", {}, " (optional)"),
    );
    const isCheckbox = field.type === "checkbox";
    this.element = h(
      "div",
      { class: isCheckbox ? "field checkbox" : "field", part: "field" },
      ...(isCheckbox ? [this.#input, label] : [label, this.#input]),
      this.#problem,
    );
  }

  /** @returns {string | number | boolean} for the template; an empty number is "" */
  get value() {
    const input = this.#input;
    if (input instanceof HTMLInputElement && input.type === "checkbox") return input.checked;
    if (input instanceof HTMLInputElement && input.type === "number")
      return Number.isNaN(input.valueAsNumber) ? "" : input.valueAsNumber;
    return input.value.trim();
  }

  /** @returns {boolean} whether the value can be used; says why not beside the field */
  check() {
    const { validity } = this.#input;
    const isBlank = this.#input.required && this.value === "";
    let problem = "";
    if (validity.badInput) problem = "Write a number.";
    else if (validity.valueMissing || isBlank)
      problem = this.value === false ? "This has to be ticked." : "This cannot stay empty.";
    else if (validity.rangeUnderflow) problem = `Not less than ${this.#input.getAttribute("min")}.`;
    else if (validity.rangeOverflow) problem = `Not more than ${this.#input.getAttribute("max")}.`;
    this.#show(problem);
    return !problem;
  }

  focus() {
    this.#input.focus();
  }

  /** @param {string} problem */
  #show(problem) {
    this.#problem.textContent = problem;
    this.#problem.hidden = !problem;
    if (problem) {
      this.#input.setAttribute("aria-invalid", "true");
      this.#input.setAttribute("aria-describedby", this.#problem.id);
    } else {
      this.#input.removeAttribute("aria-invalid");
      this.#input.removeAttribute("aria-describedby");
    }
  }
}

/** @param {Field} field */
function isOptional({ type }) {
  return type !== "checkbox" && type !== "select";
}

/**
 * @param {Field} field
 * @param {string} id
 * @returns {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement}
 */
function control(field, id) {
  const { type = "text", placeholder, required, min, max, options = [] } = field;
  const shared = { id, name: field.name, part: "input", required, placeholder };
  if (type === "textarea") {
    const area = h("textarea", { ...shared, rows: "3", dir: "auto" });
    area.value = String(field.default ?? "");
    growWithText(area);
    return area;
  }
  if (type === "select") {
    const select = h(
      "select",
      { id, name: field.name, part: "input", required },
      ...options.map((value) => h("option", {}, String(value))),
    );
    if (field.default !== undefined) select.value = String(field.default);
    return select;
  }
  if (type === "checkbox") {
    const box = h("input", { id, name: field.name, part: "input", required, type: "checkbox" });
    box.checked = field.default === true;
    return box;
  }
  const step = type === "number" ? "any" : undefined;
  const input = h("input", { ...shared, type, min, max, step, dir: "auto", autocomplete: "off" });
  input.value = String(field.default ?? "");
  return input;
}
