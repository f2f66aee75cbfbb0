/**
 * Answers that are held to a form: which tokens may come next. The form is a grammar of
 * grammar-schema.js or grammar-regex.js; xgrammar, fetched when first needed, matches it.
 */

import { spelled } from "./grammar-characters.js";
import { regexGrammar } from "./grammar-regex.js";
import { schemaGrammar } from "./grammar-schema.js";
import { SitegenError } from "./protocol.js";

/** @typedef {import("./protocol.js").ResponseFormat} ResponseFormat */
/** @typedef {import("./vendor/xgrammar/xgrammar.js").XGrammar} XGrammar */
/** @typedef {import("./vendor/xgrammar/xgrammar.js").CompiledGrammar} CompiledGrammar */
/** @typedef {import("./vendor/xgrammar/xgrammar.js").GrammarCompiler} GrammarCompiler */
/** @typedef {import("./vendor/xgrammar/xgrammar.js").GrammarMatcher} GrammarMatcher */

const MOST_KEPT = 4; // compiled grammars, each with masks of the whole vocabulary

/** The grammars of one model's tokens. */
export class Grammars {
  #vocabulary;
  #eosIds;
  /** @type {Promise<{ library: XGrammar, compiler: GrammarCompiler }> | undefined} */
  #opened;
  /** By what is asked for, the one used last at the end. @type {Map<string, CompiledGrammar>} */
  #compiled = new Map();

  /**
   * @param {Uint8Array[] | null} vocabulary  bytes of each token; none where it adds no text
   * @param {number[]} eosIds
   */
  constructor(vocabulary, eosIds) {
    this.#vocabulary = vocabulary;
    this.#eosIds = eosIds;
  }

  /**
   * @param {ResponseFormat} format
   * @returns {Promise<Constraint>}  at the beginning of an answer
   * @throws {SitegenError} "bad-request" where an answer cannot be held to it
   */
  async start(format) {
    if (this.#vocabulary === null) {
      throw new SitegenError(
        "bad-request",
        "This model's answers cannot be held to a form: what a token of its tokenizer adds depends on its neighbours.",
      );
    }
    const key = JSON.stringify(format);
    const grammar = this.#compiled.has(key) ? "" : grammarOf(format);
    // One token more than there are stands for an end: a model may have no token for it.
    const end = this.#vocabulary.length;
    this.#opened ??= open([...this.#vocabulary, new Uint8Array()], [...this.#eosIds, end]);
    const { library, compiler } = await this.#opened.catch((error) => {
      this.#opened = undefined; // the network may be there the next time
      throw error;
    });
    const compiled = this.#compiled.get(key) ?? (await compiler.compileGrammar(grammar));
    this.#compiled.delete(key);
    this.#compiled.set(key, compiled);
    for (const [oldest, unused] of [...this.#compiled].slice(0, -MOST_KEPT)) {
      unused.dispose();
      this.#compiled.delete(oldest);
    }
    const matcher = await library.GrammarMatcher.createGrammarMatcher(compiled);
    const constraint = new Constraint(matcher, this.#vocabulary, this.#eosIds);
    try {
      await constraint.look();
    } catch (error) {
      constraint.dispose();
      throw error;
    }
    return constraint;
  }
}

/** One answer as it grows. */
export class Constraint {
  #matcher;
  #vocabulary;
  #end;
  #eosIds;
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** One bit a token. */
  #allowed = new Int32Array();

  /** Whether nothing may follow but an end. */
  isComplete = false;

  /**
   * @param {GrammarMatcher} matcher
   * @param {Uint8Array[]} vocabulary
   * @param {number[]} eosIds
   */
  constructor(matcher, vocabulary, eosIds) {
    this.#matcher = matcher;
    this.#vocabulary = vocabulary;
    this.#end = vocabulary.length; // the token that stands for an end
    this.#eosIds = eosIds;
  }

  /** @param {number} id */
  allows(id) {
    return ((this.#allowed[id >> 5] >>> (id & 31)) & 1) === 1;
  }

  /**
   * @param {Float32Array} logits  (vocab,)
   * @returns {Float32Array}  (vocab,), -Infinity where a token may not come
   */
  masked(logits) {
    const masked = new Float32Array(logits.length).fill(-Infinity);
    const tokens = Math.min(logits.length, this.#end);
    for (let id = 0; id < tokens; id++) if (this.allows(id)) masked[id] = logits[id];
    return masked;
  }

  /**
   * @param {number} id  an allowed token, not an end
   * @returns {Promise<void>}
   */
  async accept(id) {
    if (!this.#matcher.acceptToken(id)) throw new Error(`the grammar refuses token ${id}`);
    await this.look();
  }

  /**
   * The answer's text, as the grammar has it: a decoder might drop the space at its beginning.
   * @returns {import("./decode.js").TextStream}
   */
  get text() {
    return {
      push: (id) => this.#decoder.decode(this.#vocabulary[id], { stream: true }),
      end: () => this.#decoder.decode(),
    };
  }

  /** Find what may come next. */
  async look() {
    this.#allowed = await this.#matcher.getNextTokenBitmask();
    const ends = new Set([this.#end, ...this.#eosIds]);
    const others = this.#allowed.slice();
    for (const id of ends) others[id >> 5] &= ~(1 << (id & 31));
    const canGoOn = others.some((word) => word !== 0);
    if (!canGoOn && !this.allows(this.#end)) {
      throw new SitegenError(
        "bad-request",
        "No token of this model has the characters that must come next: its vocabulary is too small for this form.",
      );
    }
    this.isComplete = !canGoOn;
  }

  dispose() {
    this.#matcher.dispose();
  }
}

/**
 * @param {ResponseFormat} format
 * @returns {string} with the rule `root`
 * @throws {SitegenError} "bad-request"
 */
export function grammarOf(format) {
  switch (format.type) {
    case "json_object":
      return schemaGrammar({ type: "object" });
    case "json_schema":
      return schemaGrammar(format.schema);
    case "regex":
      return patternGrammar(format.pattern);
  }
}

/** @param {string} pattern */
function patternGrammar(pattern) {
  /** @type {Map<string, string>} */
  const names = new Map();
  const root = regexGrammar(pattern, (body) => {
    const name = names.get(body) ?? `rule${names.size}`;
    names.set(body, name);
    return name;
  });
  const rules = Array.from(names, ([body, name]) => `${name} ::= ${body}\n`);
  return `root ::= ${root}\n${rules.join("")}`;
}

/**
 * @param {Uint8Array[]} vocabulary
 * @param {number[]} ends
 */
async function open(vocabulary, ends) {
  try {
    await import("./vendor/xgrammar/xgrammar.js");
  } catch (cause) {
    throw new SitegenError(
      "download-failed",
      "The part of the engine that holds answers to a form could not be loaded. Check the network, then try again.",
      { cause: cause instanceof Error ? cause.message : String(cause) },
    );
  }
  // Not a module of its own accord: it leaves its name on the global object.
  const library = /** @type {{ xgrammar: XGrammar }} */ (/** @type {unknown} */ (globalThis)).xgrammar;
  const texts = vocabulary.map(spelled);
  const tokens = await library.TokenizerInfo.createTokenizerInfo(texts, "raw", false, texts.length, ends);
  // Its own cache would keep every grammar for ever.
  return { library, compiler: await library.GrammarCompiler.createGrammarCompiler(tokens, false) };
}
