/**
 * Methods of strings in chat templates, as Python has them.
 */

import { ArrayValue, BooleanValue, IntegerValue, StringValue, itemsOf, toText } from "./template-values.js";

/** @typedef {import("./template-values.js").Value} Value */

/** What str.isspace() is true of. */
const SPACES =
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

/**
 * @param {string} text
 * @param {string | null} [letters]  to take away; white space where there are none
 * @param {"both" | "left" | "right"} [side]
 * @returns {string}
 */
export function strip(text, letters, side = "both") {
  const taken = new Set(letters ?? SPACES);
  const rest = Array.from(text);
  let [start, end] = [0, rest.length];
  if (side !== "right") while (start < end && taken.has(rest[start])) start += 1;
  if (side !== "left") while (end > start && taken.has(rest[end - 1])) end -= 1;
  return rest.slice(start, end).join("");
}

/** @param {string} text */
export function capitalize(text) {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** As Jinja's filter `title`. @param {string} text */
export function titleCase(text) {
  return text.split(/([-\s({[<]+)/).map(capitalize).join("");
}

/** As str.title(). @param {string} text */
function titled(text) {
  return text.replace(/\p{L}+/gu, capitalize);
}

/** @param {Value} [value] */
const textOf = (value) => value?.value;

/**
 * str.format() with `{}`, `{0}` and `{name}`.
 * @param {string} text
 * @param {Value[]} args
 */
function format(text, args) {
  const last = args.at(-1);
  const named = last?.type === "KeywordArgumentsValue" ? last.value : new Map();
  let next = 0;
  return text.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (whole, name) => {
    if (name === undefined) return whole[0];
    const value = name === "" ? args[next++] : /^\d+$/.test(name) ? args[Number(name)] : named.get(name);
    if (!value || value === last && named.size > 0) throw new Error(`format has nothing for ${whole}`);
    return toText(value);
  });
}

/** @type {Record<string, (text: string, args: Value[]) => Value>} */
export const METHODS = {
  format: (text, args) => new StringValue(format(text, args)),
  strip: (text, [letters]) => new StringValue(strip(text, textOf(letters))),
  lstrip: (text, [letters]) => new StringValue(strip(text, textOf(letters), "left")),
  rstrip: (text, [letters]) => new StringValue(strip(text, textOf(letters), "right")),
  capitalize: (text) => new StringValue(capitalize(text)),
  title: (text) => new StringValue(titled(text)),
  upper: (text) => new StringValue(text.toUpperCase()),
  lower: (text) => new StringValue(text.toLowerCase()),
  removeprefix: (text, [{ value }]) =>
    new StringValue(text.startsWith(value) ? text.slice(value.length) : text),
  removesuffix: (text, [{ value }]) =>
    new StringValue(value !== "" && text.endsWith(value) ? text.slice(0, -value.length) : text),
  join: (text, [items]) => new StringValue(itemsOf(items).map(textOf).join(text)),
  find(text, [{ value }]) {
    const at = text.indexOf(value);
    return new IntegerValue(at < 0 ? at : Array.from(text.slice(0, at)).length);
  },
  count: (text, [{ value }]) => new IntegerValue(text.split(value).length - 1),
  splitlines(text) {
    const lines = text.split(/\r\n|[\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029]/);
    if (lines.at(-1) === "") lines.pop();
    return new ArrayValue(lines.map((line) => new StringValue(line)));
  },
  isdigit: (text) => new BooleanValue(/^\p{Nd}+$/u.test(text)),
};
