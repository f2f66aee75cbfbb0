/**
 * Filters and tests of chat templates that @huggingface/jinja lacks or answers unlike Python.
 */

import {
  ArrayValue,
  BooleanValue,
  FloatValue,
  GeneratorValue,
  IntegerValue,
  ObjectValue,
  StringValue,
  UndefinedValue,
  contains,
  isEqual,
  isNumber,
  itemsOf,
  pairsOf,
  toJson,
  toText,
} from "./template-values.js";
import { capitalize, strip, titleCase } from "./template-strings.js";

/** @typedef {import("./template-values.js").Value} Value */

/** @param {Value} value */
export function isTrue(value) {
  return value.__bool__().value;
}

/** @type {Record<string, string>} */
const HTML = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };

/**
 * @param {string} text
 * @returns {Value} a text that `safe` has marked
 */
function markup(text) {
  return Object.assign(new StringValue(text), { isMarkup: true });
}

/**
 * Two texts; beside one that `safe` has marked, the other is escaped for HTML.
 * @param {Value} left
 * @param {Value} right
 */
export function joined(left, right) {
  if (!left.isMarkup && !right.isMarkup) return new StringValue(left.value + right.value);
  const [start, end] = [left, right].map((value) =>
    value.isMarkup ? value.value : value.value.replace(/[&<>'"]/g, (/** @type {string} */ letter) => HTML[letter]),
  );
  return markup(start + end);
}

/**
 * @param {Value} value
 * @returns {number | null} null where it is none
 */
function numberOf(value) {
  if (isNumber(value) || value instanceof BooleanValue) return Number(value.value);
  const isWritten =
    value instanceof StringValue && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(strip(value.value));
  return isWritten ? Number(strip(value.value)) : null;
}

/**
 * @param {Value[]} items
 * @param {number} sign  of the order that is looked for
 */
function extreme(items, sign) {
  const key = (/** @type {Value} */ value) => (value instanceof StringValue ? value.value.toLowerCase() : value.value);
  return items.reduce((best, item) => ((key(item) < key(best) ? -1 : Number(key(item) > key(best))) === sign ? item : best));
}

/**
 * @param {Value} item
 * @param {Value} path  "a.b"
 * @returns {Value}
 */
export function attribute(item, path) {
  return String(path.value)
    .split(".")
    .reduce((found, key) => {
      const inner = found instanceof ArrayValue ? found.value[key] : found.value?.get?.(key);
      return inner ?? new UndefinedValue();
    }, item);
}

/** @param {Value} value */
const hasItems = (value) =>
  [StringValue, ArrayValue, ObjectValue, UndefinedValue].some((kind) => value instanceof kind);

/** @param {Value} value */
const isCased = (value) => toText(value).toUpperCase() !== toText(value).toLowerCase();

/**
 * Tests that the library answers otherwise or lacks.
 * @type {Record<string, (value: Value, other: Value) => boolean>}
 */
export const TESTS = {
  iterable: (value) => hasItems(value) || value instanceof GeneratorValue,
  sequence: hasItems,
  number: (value) => isNumber(value) || value instanceof BooleanValue,
  float: (value) => value instanceof FloatValue,
  eq: isEqual,
  equalto: isEqual,
  "==": isEqual,
  ne: (value, other) => !isEqual(value, other),
  "!=": (value, other) => !isEqual(value, other),
  in: (value, other) => contains(other, value),
  lower: (value) => toText(value) === toText(value).toLowerCase() && isCased(value),
  upper: (value) => toText(value) === toText(value).toUpperCase() && isCased(value),
};

/** @type {Record<string, (value: Value, args: Value[], named: Map<string, Value>) => Value>} */
export const FILTERS = {
  string: (value) => new StringValue(toText(value)),
  trim: (value, [letters]) => new StringValue(strip(toText(value), letters?.value)),
  upper: (value) => new StringValue(toText(value).toUpperCase()),
  lower: (value) => new StringValue(toText(value).toLowerCase()),
  capitalize: (value) => new StringValue(capitalize(toText(value))),
  title: (value) => new StringValue(titleCase(toText(value))),
  length: (value) => new IntegerValue(itemsOf(value).length),
  count: (value) => new IntegerValue(itemsOf(value).length),
  list: (value) => new ArrayValue(itemsOf(value)),
  first: (value) => itemsOf(value)[0] ?? new UndefinedValue(),
  last: (value) => itemsOf(value).at(-1) ?? new UndefinedValue(),
  reverse: (value) =>
    value instanceof StringValue
      ? new StringValue(Array.from(value.value).reverse().join(""))
      : new GeneratorValue(itemsOf(value).reverse()),
  join(value, [separator], named) {
    const attribute = named.get("attribute");
    const items = itemsOf(value).map((item) => (attribute ? item.value.get(attribute.value) : item));
    return new StringValue(items.map(toText).join(separator ? toText(separator) : ""));
  },
  int(value, [fallback = new IntegerValue(0)], named) {
    const number = numberOf(value);
    return number === null ? (named.get("default") ?? fallback) : new IntegerValue(Math.trunc(number));
  },
  float(value, [fallback = new FloatValue(0)], named) {
    const number = numberOf(value);
    return number === null ? (named.get("default") ?? fallback) : new FloatValue(number);
  },
  min: (value) => (itemsOf(value).length ? extreme(itemsOf(value), -1) : new UndefinedValue()),
  max: (value) => (itemsOf(value).length ? extreme(itemsOf(value), 1) : new UndefinedValue()),
  safe: (value) => markup(toText(value)),
  unique(value) {
    /** @type {Value[]} */
    const found = [];
    for (const item of itemsOf(value)) if (!found.some((other) => isEqual(item, other))) found.push(item);
    return new GeneratorValue(found);
  },
  items: (value) => new GeneratorValue(value instanceof UndefinedValue ? [] : pairsOf(value).value),
  default(value, [fallback = new StringValue(""), also], named) {
    const isEmpty = isTrue(also ?? named.get("boolean") ?? new BooleanValue(false)) && !isTrue(value);
    return value instanceof UndefinedValue || isEmpty ? (named.get("default_value") ?? fallback) : value;
  },
  tojson: (value, [ascii], named) =>
    new StringValue(
      toJson(value, {
        ascii: isTrue(ascii ?? named.get("ensure_ascii") ?? new BooleanValue(false)),
        indent: named.get("indent")?.value ?? null,
        separators: named.get("separators")?.value?.map(toText) ?? null,
        sorted: isTrue(named.get("sort_keys") ?? new BooleanValue(false)),
      }),
    ),
};
FILTERS.d = FILTERS.default;
