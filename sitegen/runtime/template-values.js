/**
 * Values of chat templates as Python sees them: as text, as JSON, compared, iterated.
 */

import { Environment, Interpreter, parse, tokenize } from "./vendor/jinja/jinja.js";

/** @typedef {any} Value  one of the library's RuntimeValues */

// The library exports none of its classes of values; each value knows its own.
const sample = new Environment();
/** @param {unknown} value */
const classOf = (value) => /** @type {any} */ (sample.set(`sample${sample.variables.size}`, value).constructor);

export const StringValue = classOf("");
export const IntegerValue = classOf(1);
export const FloatValue = classOf(1.5);
export const BooleanValue = classOf(true);
export const NullValue = classOf(null);
export const UndefinedValue = classOf(undefined);
export const ArrayValue = classOf([]);
export const ObjectValue = classOf({});
export const FunctionValue = classOf(() => null);
export const TupleValue = /** @type {any} */ (
  new Interpreter(sample).evaluate(parse(tokenize("{{ (1, 2) }}")).body[0], sample).constructor
);

/** @type {new (items: Value[]) => any} */
const AnyValue = Object.getPrototypeOf(ArrayValue);

/** What `select`, `map` and their like give: true even when empty, and gone once it was iterated. */
export class GeneratorValue extends AnyValue {
  type = "GeneratorValue";
}

/** @param {Value} value */
export function isNumber(value) {
  return value instanceof IntegerValue || value instanceof FloatValue;
}

/**
 * As Python's str().
 * @param {Value} value
 * @returns {string}
 */
export function toText(value) {
  return value instanceof StringValue ? value.value : value instanceof UndefinedValue ? "" : repr(value);
}

/**
 * As Python's repr().
 * @param {Value} value
 * @returns {string}
 */
function repr(value) {
  switch (value.type) {
    case "StringValue":
      return quoted(value.value);
    case "BooleanValue":
      return value.value ? "True" : "False";
    case "NullValue":
      return "None";
    case "UndefinedValue":
      return "Undefined";
    case "ArrayValue":
      return `[${value.value.map(repr).join(", ")}]`;
    case "TupleValue":
      return `(${value.value.map(repr).join(", ")}${value.value.length === 1 ? "," : ""})`;
    case "ObjectValue":
      return `{${[...value.value].map(([key, item]) => `${quoted(key)}: ${repr(item)}`).join(", ")}}`;
    case "IntegerValue":
      return value.toString();
    case "FloatValue":
      return floatText(value);
    default:
      throw new Error(`a ${value.type} cannot be shown`);
  }
}

/**
 * Python writes an exponent below 1e-4 and from 1e16 on, of two digits at least.
 * @param {Value} value  a FloatValue
 * @returns {string}
 */
function floatText(value) {
  const size = Math.abs(value.value);
  if (size === 0 || (size >= 1e-4 && size < 1e16)) return value.toString();
  const [digits, exponent] = value.value.toExponential().split("e");
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** @type {Record<string, string>} */
const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** @param {string} text */
function quoted(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\n\r\t\\]|[\p{C}\p{Z}]/gu, (letter) => {
    if (ESCAPES[letter] ?? letter === " ") return ESCAPES[letter] ?? letter;
    const code = /** @type {number} */ (letter.codePointAt(0));
    const [mark, width] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return `\\${mark}${code.toString(16).padStart(/** @type {number} */ (width), "0")}`;
  });
  return quote + (quote === "'" ? inner.replaceAll("'", "\\'") : inner) + quote;
}

/**
 * As Python's ==.
 * @param {Value} a
 * @param {Value} b
 * @returns {boolean}
 */
export function isEqual(a, b) {
  const isNumeric = (/** @type {Value} */ value) => isNumber(value) || value instanceof BooleanValue;
  if (isNumeric(a) && isNumeric(b)) return Number(a.value) === Number(b.value);
  if (a.type !== b.type) return false;
  if (a instanceof ArrayValue) {
    return (
      a.value.length === b.value.length &&
      a.value.every((/** @type {Value} */ item, /** @type {number} */ i) => isEqual(item, b.value[i]))
    );
  }
  if (a instanceof ObjectValue) {
    return (
      a.value.size === b.value.size &&
      [...a.value].every(([key, item]) => b.value.has(key) && isEqual(item, b.value.get(key)))
    );
  }
  return a.value === b.value;
}

/**
 * As Python's `item in container`.
 * @param {Value} container
 * @param {Value} item
 * @returns {boolean}
 */
export function contains(container, item) {
  if (container instanceof StringValue && item instanceof StringValue) return container.value.includes(item.value);
  if (container instanceof ObjectValue) return item instanceof StringValue && container.value.has(item.value);
  if ([ArrayValue, GeneratorValue, UndefinedValue].some((kind) => container instanceof kind)) {
    return itemsOf(container).some((other) => isEqual(item, other));
  }
  throw new Error(`a ${item.type} cannot be in a ${container.type}`);
}

/**
 * What Python iterates: items, keys, letters; nothing where nothing is defined.
 * @param {Value} value
 * @returns {Value[]}
 */
export function itemsOf(value) {
  if (value instanceof ArrayValue) return [...value.value];
  if (value instanceof GeneratorValue) return value.value.splice(0);
  if (value instanceof ObjectValue) return [...value.value.keys()].map((key) => new StringValue(key));
  if (value instanceof StringValue) return Array.from(value.value, (letter) => new StringValue(letter));
  if (value instanceof UndefinedValue) return [];
  throw new Error(`a ${value.type} has no items`);
}

/**
 * As Python's dict.items(): tuples, which look otherwise than lists.
 * @param {Value} value  an ObjectValue
 * @returns {Value}
 */
export function pairsOf(value) {
  return new ArrayValue(value.items().value.map((/** @type {Value} */ pair) => new TupleValue(pair.value)));
}

/**
 * As Python's json.dumps.
 * @param {Value} value
 * @param {{ ascii: boolean, indent: number | null, separators: string[] | null, sorted: boolean }} options
 * @param {string} margin
 * @returns {string}
 */
export function toJson(value, options, margin = "\n") {
  const { ascii, indent, separators, sorted } = options;
  const [comma, colon] = separators ?? [indent === null ? ", " : ",", ": "];
  const inner = indent === null ? "" : margin + " ".repeat(indent);
  const text = (/** @type {string} */ string) => {
    const json = JSON.stringify(string);
    return ascii
      ? json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      : json;
  };
  /**
   * @param {string} open
   * @param {string[]} items
   * @param {string} close
   */
  const enclosed = (open, items, close) =>
    items.length === 0
      ? open + close
      : open + inner + items.join(comma + inner) + (indent === null ? "" : margin) + close;
  switch (value.type) {
    case "NullValue":
      return "null";
    case "StringValue":
      return text(value.value);
    case "BooleanValue":
    case "IntegerValue":
      return value.toString();
    case "FloatValue":
      return floatText(value);
    case "ArrayValue":
    case "TupleValue": {
      const items = value.value.map((/** @type {Value} */ item) => toJson(item, options, inner || margin));
      return enclosed("[", items, "]");
    }
    case "ObjectValue": {
      const entries = [...value.value];
      if (sorted) entries.sort(([a], [b]) => (a < b ? -1 : 1));
      const items = entries.map(([key, item]) => text(key) + colon + toJson(item, options, inner || margin));
      return enclosed("{", items, "}");
    }
    default:
      throw new Error(`a ${value.type} cannot be written as JSON`);
  }
}
