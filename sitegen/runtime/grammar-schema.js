/**
 * A JSON schema as a grammar. Every JSON text of the grammar fits the schema. The other way round
 * it is narrower: the properties come in the order of the schema and no other ones come, numbers
 * have 15 digits at most, and white space is one space or one line break with its indentation.
 * A keyword that could not be kept is refused, never ignored.
 */

import { anyCharacter, literal } from "./grammar-characters.js";
import { regexGrammar } from "./grammar-regex.js";
import { SitegenError } from "./protocol.js";

/** Keywords that only tell. */
const ANNOTATIONS = ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description"]
  .concat(["default", "examples", "deprecated", "readOnly", "writeOnly"]);
/** Keywords that say what a value must be, by the type of values that they are about. */
const KEYWORDS = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern"],
  integer: ["minimum", "maximum"],
  number: ["minimum"],
  boolean: [],
  null: [],
};
const CHOICES = ["$ref", "const", "enum", "anyOf"];
const KNOWN = new Set(["type", ...CHOICES, ...Object.values(KEYWORDS).flat()]);

const MOST_REPEATS = 100; // each character more costs the grammar some 30 ms to begin with
const MOST_DIGITS = 15; // every integer of so many is a double

/** @param {string} rest  what follows; xgrammar is only quick where strings are rules that end in a rule */
const char = (rest) => `plain ${rest} | "\\\\" escape ${rest}`;
const RULES = {
  escape: `[\\x22\\x5C/bfnrt] | "u" ([0-9a-cA-Ce-fE-F] [0-9a-fA-F] | [dD] [0-7]) [0-9a-fA-F] [0-9a-fA-F]`,
  chars: `"\\"" | ${char("chars")}`,
  space: `" "?`,
  gap: `" "? | "\\n" " "{0,20}`,
  string: `"\\"" chars`,
  integer: `"0" | "-"? [1-9] [0-9]{0,${MOST_DIGITS - 1}}`,
  magnitude: `("0" | [1-9] [0-9]{0,${MOST_DIGITS - 1}}) ("." [0-9]{1,${MOST_DIGITS}})? ([eE] [+-]? [0-9]{1,2})?`,
  number: `"-"? magnitude`,
  boolean: `"true" | "false"`,
  null: `"null"`,
  value: `object | array | string | number | boolean | null`,
  member: `string ":" space value`,
  object: `"{" "}" | "{" gap member ("," gap member)* gap "}"`,
  array: `"[" "]" | "[" gap value ("," gap value)* gap "]"`,
};

/**
 * @param {unknown} schema  JSON
 * @returns {string} a grammar with the rule `root`
 * @throws {SitegenError} "bad-request"
 */
export function schemaGrammar(schema) {
  const writer = new Writer(schema);
  const root = writer.visit(schema, "#", new Set(["#"]));
  return writer.grammar(root);
}

class Writer {
  #document;
  /** @type {Map<string, string>} */
  #rules = new Map(Object.entries(RULES));
  /** Rules by their bodies, of which none is made twice. @type {Map<string, string>} */
  #names = new Map();
  /** Rule of a schema that is referred to, by its pointer. @type {Map<string, string>} */
  #targets = new Map();

  /** @param {unknown} document */
  constructor(document) {
    this.#document = document;
    // What JSON lets stand in a string as it is.
    const plain = anyCharacter([[0x20, 0x21], [0x23, 0x5b], [0x5d, 0x10ffff]], this.define);
    this.#rules.set("plain", /** @type {string} */ (plain));
  }

  /**
   * @param {string} body
   * @returns {string} name of the rule
   */
  define = (body) => {
    const known = this.#names.get(body);
    if (known !== undefined) return known;
    const name = this.#rule(body);
    this.#names.set(body, name);
    return name;
  };

  /** @param {string} root */
  grammar(root) {
    return [["root", root], ...this.#rules].map(([name, body]) => `${name} ::= ${body}\n`).join("");
  }

  /**
   * @param {string} body
   * @returns {string} name of a new rule
   */
  #rule(body) {
    const name = `rule${this.#rules.size}`;
    this.#rules.set(name, body);
    return name;
  }

  /**
   * @param {any} schema
   * @param {string} path  where it stands: "#/properties/name"
   * @param {Set<string>} open  pointers that lead here without a character between
   * @returns {string} an expression
   */
  visit(schema, path, open) {
    if (schema === true) return "value";
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
      throw refused(`at ${path} there must be an object, not ${JSON.stringify(schema)}`);
    }
    const names = Object.keys(schema).filter((name) => !ANNOTATIONS.includes(name));
    const unknown = names.find((name) => !KNOWN.has(name));
    if (unknown !== undefined) {
      throw refused(`it has "${unknown}" at ${path}. Known are: ${[...KNOWN].join(", ")}`);
    }
    const choice = CHOICES.find((name) => names.includes(name));
    if (choice === undefined) return this.#types(schema, path);

    const hasType = choice === "const" || choice === "enum";
    const beside = names.find((name) => name !== choice && !(hasType && name === "type"));
    if (beside !== undefined) throw refused(`it has "${beside}" beside "${choice}" at ${path}`);
    switch (choice) {
      case "$ref":
        return this.#reference(schema.$ref, path, open);
      case "anyOf":
        return anyOf(
          list(schema.anyOf, `${path}/anyOf`).map((part, i) => this.visit(part, `${path}/anyOf/${i}`, open)),
        );
    }
    const values = choice === "const" ? [schema.const] : list(schema.enum, `${path}/enum`);
    const types = typesOf(schema, path);
    const fitting = values.filter((value) => types === null || types.some((type) => isOfType(value, type)));
    if (fitting.length === 0) throw refused(`no value of "${choice}" at ${path} is of its "type"`);
    return anyOf(fitting.map((value) => literal(JSON.stringify(value))));
  }

  /**
   * @param {any} pointer
   * @param {string} path
   * @param {Set<string>} open
   */
  #reference(pointer, path, open) {
    if (open.has(pointer)) throw refused(`"$ref" at ${path} leads back to itself`);
    const known = this.#targets.get(pointer);
    if (known !== undefined) return known;
    /** @type {any} */
    let target = this.#document;
    if (typeof pointer !== "string" || !/^#(?:\/|$)/.test(pointer)) target = undefined;
    else {
      for (const part of pointer.split("/").slice(1)) {
        const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
        target = Object.hasOwn(Object(target), key) ? target[key] : undefined;
      }
    }
    if (target === undefined) {
      throw refused(`"$ref" at ${path} is ${JSON.stringify(pointer)}, which is not in the schema`);
    }
    const name = this.#rule("");
    this.#targets.set(pointer, name);
    this.#rules.set(name, this.visit(target, pointer, new Set([...open, pointer])));
    return name;
  }

  /**
   * @param {any} schema  of no choice
   * @param {string} path
   */
  #types(schema, path) {
    const keywords = /** @type {[string, string[]][]} */ (Object.entries(KEYWORDS));
    const implied = keywords.filter(([, names]) => names.some((name) => name in schema)).map(([type]) => type);
    const types = typesOf(schema, path) ?? (implied.length > 0 ? implied : null);
    return types === null ? "value" : anyOf(types.map((type) => this.#type(type, schema, path)));
  }

  /**
   * @param {string} type
   * @param {any} schema
   * @param {string} path
   * @returns {string}
   */
  #type(type, schema, path) {
    switch (type) {
      case "object":
        return this.#object(schema, path);
      case "array":
        return this.#array(schema, path);
      case "string":
        return this.#string(schema, path);
      case "integer":
        return integer(schema, path);
      case "number":
        return number(schema, path);
    }
    return type;
  }

  /**
   * @param {any} schema
   * @param {string} path
   */
  #object(schema, path) {
    const { properties = {}, required = [], additionalProperties: rest = true } = schema;
    const names = Object.keys(Object(properties));
    const missing = list(required, `${path}/required`, 0).find((name) => !names.includes(name));
    if (missing !== undefined) {
      throw refused(`${JSON.stringify(missing)} is required at ${path} and is not among its "properties"`);
    }
    if (names.length === 0) {
      if (rest === true) return "object";
      if (rest === false) return `("{" "}")`;
      const member = this.#rule(`string ":" space ${this.visit(rest, `${path}/additionalProperties`, new Set())}`);
      return `("{" "}" | "{" gap ${member} ("," gap ${member})* gap "}")`;
    }
    const members = names.map((name) => {
      const value = this.visit(properties[name], `${path}/properties/${name}`, new Set());
      return this.#rule(`${literal(`${JSON.stringify(name)}:`)} space ${value}`);
    });
    // From the last to the first: what may follow a member, and with which member it may begin.
    let more = '""';
    const firsts = [];
    let canBeEmpty = true;
    for (let i = names.length - 1; i >= 0; i--) {
      const isRequired = required.includes(names[i]);
      if (isRequired) firsts.length = 0;
      firsts.unshift(`${members[i]} ${more}`);
      canBeEmpty &&= !isRequired;
      const next = `"," gap ${members[i]}`;
      more = this.#rule(isRequired ? `${next} ${more}` : `(${next})? ${more}`);
    }
    const full = `"{" gap ${anyOf(firsts)} gap "}"`;
    return this.#rule(canBeEmpty ? `"{" "}" | ${full}` : full);
  }

  /**
   * @param {any} schema
   * @param {string} path
   */
  #array(schema, path) {
    const least = count(schema, "minItems", path) ?? 0;
    const most = count(schema, "maxItems", path);
    checkOrder(least, most, "Items", path);
    if (most === 0) return `("[" "]")`;
    const item = this.#rule(this.visit(schema.items ?? true, `${path}/items`, new Set()));
    const rest = `("," gap ${item}){${Math.max(least - 1, 0)},${most === undefined ? "" : most - 1}}`;
    const full = `"[" gap ${item} ${rest} gap "]"`;
    return this.#rule(least === 0 ? `"[" "]" | ${full}` : full);
  }

  /**
   * @param {any} schema
   * @param {string} path
   */
  #string(schema, path) {
    const least = count(schema, "minLength", path) ?? 0;
    const most = count(schema, "maxLength", path);
    checkOrder(least, most, "Length", path);
    if (schema.pattern === undefined) return `("\\"" ${this.#chars(least, most)})`;
    if (least > 0 || most !== undefined) {
      throw refused(`it has "pattern" beside a length at ${path}; a pattern can say the length, too`);
    }
    if (typeof schema.pattern !== "string") throw refused(`"pattern" at ${path} must be a text`);
    return `("\\"" ${regexGrammar(schema.pattern, this.define, { in_json: true })} "\\"")`;
  }

  /**
   * The rest of a string, with its closing quotes.
   * @param {number} least  characters
   * @param {number | undefined} most
   * @returns {string}
   */
  #chars(least, most) {
    if (most === 0) return `"\\""`;
    if (least === 0 && most === undefined) return "chars";
    const name = `chars_${least}_${most ?? "any"}`;
    if (!this.#rules.has(name)) {
      const rest = this.#chars(Math.max(least - 1, 0), most === undefined ? most : most - 1);
      this.#rules.set(name, `${least === 0 ? `"\\"" | ` : ""}${char(rest)}`);
    }
    return name;
  }
}

/**
 * @param {any} schema
 * @param {string} path
 */
function integer(schema, path) {
  const bound = (/** @type {string} */ name, /** @type {number} */ other) => {
    const value = schema[name] ?? other;
    if (typeof value === "number" && Math.abs(value) < 10 ** MOST_DIGITS) return value;
    throw refused(`"${name}" at ${path} must be a number of at most ${MOST_DIGITS} digits`);
  };
  if (schema.minimum === undefined && schema.maximum === undefined) return "integer";
  const largest = 10 ** MOST_DIGITS - 1;
  const least = Math.ceil(bound("minimum", -largest));
  const most = Math.floor(bound("maximum", largest));
  if (least > most) throw refused(`no whole number is between "minimum" and "maximum" at ${path}`);
  const parts = [];
  if (least < 0) parts.push(...between(Math.max(1, -most), -least).map((digits) => `"-" ${digits}`));
  if (most >= 0) parts.push(...between(Math.max(0, least), most));
  return anyOf(parts);
}

/**
 * @param {any} schema
 * @param {string} path
 */
function number(schema, path) {
  if (schema.minimum === undefined && schema.maximum === undefined) return "number";
  if (schema.minimum === 0 && schema.maximum === undefined) return "magnitude";
  throw refused(`a "number" at ${path} can only have "minimum": 0; an "integer" can have any`);
}

/**
 * @param {number} least  whole, 0 or more
 * @param {number} most  not less
 * @returns {string[]} expressions, one of which is the number
 */
function between(least, most) {
  const parts = [];
  for (let digits = String(least).length; digits <= String(most).length; digits++) {
    const low = Math.max(least, digits === 1 ? 0 : 10 ** (digits - 1));
    parts.push(...ofOneLength(String(low), String(Math.min(most, 10 ** digits - 1))));
  }
  return parts;
}

/**
 * @param {string} low
 * @param {string} high  as long, and not less
 * @returns {string[]}
 */
function ofOneLength(low, high) {
  if (low === "") return ['""'];
  const [a, b] = [Number(low[0]), Number(high[0])];
  const [lows, highs] = [low.slice(1), high.slice(1)];
  if (a === b) return ofOneLength(lows, highs).map((rest) => `"${a}" ${rest}`);
  const isWhole = /^0*$/.test(lows) && /^9*$/.test(highs);
  if (isWhole) return [`[${a}-${b}] ${lows === "" ? "" : `[0-9]{${lows.length}}`}`];
  return [
    ...ofOneLength(low, a + "9".repeat(lows.length)),
    ...(a + 1 < b ? ofOneLength(a + 1 + "0".repeat(lows.length), b - 1 + "9".repeat(lows.length)) : []),
    ...ofOneLength(b + "0".repeat(lows.length), high),
  ];
}

/** @param {string[]} parts  one or more */
function anyOf(parts) {
  return parts.length === 1 ? parts[0] : `(${parts.join(" | ")})`;
}

/**
 * @param {any} schema
 * @param {string} path
 * @returns {string[] | null} null where every type is allowed
 */
function typesOf(schema, path) {
  if (schema.type === undefined) return null;
  const types = typeof schema.type === "string" ? [schema.type] : list(schema.type, `${path}/type`);
  const unknown = types.find((type) => !Object.hasOwn(KEYWORDS, type));
  if (unknown === undefined) return types;
  const allowed = Object.keys(KEYWORDS).join(", ");
  throw refused(`"type" at ${path} is ${JSON.stringify(unknown)}. Types are: ${allowed}`);
}

/**
 * @param {any} value  JSON
 * @param {string} type
 */
function isOfType(value, type) {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
  }
  return typeof value === type;
}

/**
 * @param {any} value
 * @param {string} path
 * @param {number} [least]
 * @returns {any[]}
 */
function list(value, path, least = 1) {
  if (Array.isArray(value) && value.length >= least) return value;
  throw refused(`at ${path} there must be a list${least > 0 ? " of one or more" : ""}`);
}

/**
 * @param {any} schema
 * @param {string} name
 * @param {string} path
 * @returns {number | undefined}
 */
function count(schema, name, path) {
  const value = schema[name];
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= MOST_REPEATS)) return value;
  throw refused(`"${name}" at ${path} must be a whole number from 0 to ${MOST_REPEATS}`);
}

/**
 * @param {number} least
 * @param {number | undefined} most
 * @param {string} what
 * @param {string} path
 */
function checkOrder(least, most, what, path) {
  if (most !== undefined && least > most) throw refused(`"min${what}" is above "max${what}" at ${path}`);
}

/** @param {string} reason */
function refused(reason) {
  return new SitegenError("bad-request", `An answer cannot be held to this JSON schema: ${reason}.`, { reason });
}
