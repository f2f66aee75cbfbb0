/**
 * Building DOM nodes. Text becomes text: nothing here, or in the elements, parses HTML.
 */

/**
 * @typedef {Node | string | null | undefined | false} Child  null, undefined and false are left out
 */

/**
 * An element with attributes and children.
 *
 * `on` holds listeners by event name; `true` sets an attribute without value, `false` and
 * undefined leave it out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{ on?: Record<string, (event: any) => void>, [attribute: string]: unknown }} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  const { on = {}, ...rest } = attributes;
  for (const [name, value] of Object.entries(rest)) {
    if (value === false || value === undefined || value === null) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  for (const child of children) if (child) node.append(child);
  return node;
}

/** Outlines on a 24 × 24 grid, drawn for sitegen. */
const ICONS = {
  send: "M12 19V5M5.5 11.5 12 5l6.5 6.5",
  stop: "M6 6h12v12H6z",
  copy: "M9 9h10.5v10.5H9zM15 9V4.5H4.5V15H9",
  done: "M5 12.5 10 17.5 19.5 7",
  retry: "M19 12a7 7 0 1 1-2.2-5.1L19 9M19 4.5V9h-4.5",
  edit: "M4.5 19.5l.8-4L15.8 5l3.2 3.2L8.5 18.7zM13.5 7.3l3.2 3.2",
  undo: "M8.5 5 4.5 9l4 4M4.5 9h9.2a5.3 5.3 0 0 1 0 10.6H9",
  clear: "M12 5v14M5 12h14",
  down: "M12 5v14M5.5 12.5 12 19l6.5-6.5",
};

/**
 * @param {keyof typeof ICONS} name
 * @returns {SVGSVGElement} hidden from assistive technology: the control says its name in text
 */
export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * A small button with an icon and its name in text.
 * @param {keyof typeof ICONS} name
 * @param {string} label
 * @param {() => void} onClick
 * @param {string} [description]  for assistive technology, when the label alone is not unique
 * @returns {HTMLButtonElement}
 */
export function action(name, label, onClick, description) {
  return h(
    "button",
    { type: "button", class: "action", part: "action", "aria-label": description, on: { click: onClick } },
    icon(name),
    h("span", {}, label),
  );
}

/**
 * A button that copies `text()` and says so.
 * @param {() => string} text
 * @param {(message: string) => void} announce
 * @returns {HTMLButtonElement}
 */
export function copyAction(text, announce) {
  const button = action("copy", "Copy", async () => {
    const copied = await copy(text());
    const label = copied ? "Copied" : "Not allowed here";
    button.replaceChildren(icon(copied ? "done" : "copy"), h("span", {}, label));
    announce(copied ? "Copied." : "The browser did not allow copying.");
    setTimeout(() => button.replaceChildren(icon("copy"), h("span", {}, "Copy")), 1600);
  });
  return button;
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether the clipboard has it
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages served over plain http have no clipboard API; the old way still works there.
    const area = h("textarea", { "aria-hidden": "true", tabindex: "-1" });
    area.style.position = "fixed";
    area.style.opacity = "0";
    const focused = document.activeElement;
    document.body.append(area);
    area.value = text;
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return copied;
  }
}
