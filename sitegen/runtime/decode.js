/**
 * Tokens to text as they come: never half a character, each token decoded once, and stop
 * strings found across token boundaries. Knows nothing of models.
 */

/** @typedef {import("./vendor/tokenizers/tokenizers.js").Tokenizer} Tokenizer */

/**
 * Text of a growing list of tokens. What `push` returned is final; `end` gives what is left,
 * with U+FFFD for a character that never became whole.
 * @typedef {object} TextStream
 * @property {(id: number) => string} push
 * @property {() => string} end
 */

/**
 * A token's bytes, where the decoder works on bytes. `strip` leading spaces are dropped at the
 * start of the text.
 * @typedef {object} ByteDecoder
 * @property {(token: string) => Uint8Array} bytes
 * @property {number} strip
 */

const encoder = new TextEncoder();

/**
 * @param {Tokenizer} tokenizer
 * @param {any} json  tokenizer.json
 * @param {number[]} before  tokens the text continues; empty where it starts anew
 * @param {string[]} marks  special tokens that are text all the same
 * @returns {TextStream}
 */
export function createTextStream(tokenizer, json, before = [], marks = []) {
  const byteDecoder = byteDecoderOf(json);
  const special = specialIds(tokenizer, marks);
  return byteDecoder
    ? streamBytes(tokenizer, special, byteDecoder, before.length > 0)
    : streamWindow(tokenizer, special, before);
}

/**
 * Byte-level BPE (GPT-2, Llama 3, Qwen) and SentencePiece with byte fallback (Llama 2, Gemma):
 * bytes go through one TextDecoder, which waits for the rest of a character by itself.
 * @param {Tokenizer} tokenizer
 * @param {Set<number>} special
 * @param {ByteDecoder} decoder
 * @param {boolean} continues
 * @returns {TextStream}
 */
function streamBytes(tokenizer, special, decoder, continues) {
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  let strip = continues ? 0 : decoder.strip;
  /** @param {string} piece */
  const stripped = (piece) => {
    let start = 0;
    while (strip > 0 && start < piece.length) {
      if (piece[start] === " ") start += 1;
      else strip = 1; // the first other character ends it
      strip -= 1;
    }
    return piece.slice(start);
  };
  return {
    push(id) {
      const token = special.has(id) ? undefined : tokenizer.id_to_token(id);
      return token === undefined
        ? ""
        : stripped(text.decode(decoder.bytes(token), { stream: true }));
    },
    end: () => stripped(text.decode()),
  };
}

/**
 * Any other decoder: decode a few tokens with their predecessors and take what is new, since a
 * token's spaces depend on the one before it.
 * @param {Tokenizer} tokenizer
 * @param {Set<number>} special
 * @param {number[]} before
 * @returns {TextStream}
 */
function streamWindow(tokenizer, special, before) {
  const CONTEXT = 4; // tokens; decoders look back one
  let ids = before.filter((id) => !special.has(id)).slice(-CONTEXT);
  let read = ids.length; // tokens of `ids` whose text has been returned
  /** @param {number[]} tokens */
  const decode = (tokens) =>
    tokens.length === 0 ? "" : tokenizer.decode(tokens, { clean_up_tokenization_spaces: false });
  /** @param {boolean} last */
  const take = (last) => {
    const now = decode(ids);
    if (!last && now.endsWith("\ufffd")) return "";
    const fresh = now.slice(decode(ids.slice(0, read)).length);
    ids = ids.slice(-CONTEXT);
    read = ids.length;
    return fresh;
  };
  return {
    push(id) {
      if (special.has(id) || tokenizer.id_to_token(id) === undefined) return "";
      ids.push(id);
      return take(false);
    },
    end: () => (ids.length > read ? take(true) : ""),
  };
}

/**
 * One token by itself, as it adds to a text: with its space, and with the bytes of half a character.
 * A special token is its own name.
 * @param {Tokenizer} tokenizer
 * @param {any} json  tokenizer.json
 * @returns {(id: number) => { token: string, bytes: number[] }}  U+FFFD in `token` where the bytes are no character
 */
export function createSpelling(tokenizer, json) {
  const byteDecoder = byteDecoderOf(json);
  const special = specialIds(tokenizer);
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  /** What the token adds after another one: decoders drop the space of the first. @param {number} id */
  const added = (id) => {
    const [once, twice] = [[id], [id, id]].map((ids) =>
      tokenizer.decode(ids, { clean_up_tokenization_spaces: false }),
    );
    return twice.slice(once.length);
  };
  return (id) => {
    const name = tokenizer.id_to_token(id) ?? "";
    if (byteDecoder && !special.has(id)) {
      const bytes = byteDecoder.bytes(name);
      return { token: text.decode(bytes), bytes: [...bytes] };
    }
    const token = special.has(id) || name === "" ? name : added(id);
    return { token, bytes: [...encoder.encode(token)] };
  };
}

/**
 * The bytes that each token adds to a text: none for special ones and those that are none.
 * @param {Tokenizer} tokenizer
 * @param {any} json  tokenizer.json
 * @param {number} size  of the vocabulary
 * @returns {Uint8Array[] | null}  null where what a token adds depends on its neighbours
 */
export function createVocabulary(tokenizer, json, size) {
  if (!byteDecoderOf(json) && json.decoder?.type !== "Metaspace") return null;
  const special = specialIds(tokenizer);
  const spell = createSpelling(tokenizer, json);
  return Array.from({ length: size }, (_, id) => Uint8Array.from(special.has(id) ? [] : spell(id).bytes));
}

/**
 * @param {Tokenizer} tokenizer
 * @param {string[]} [marks]  left out
 * @returns {Set<number>}
 */
function specialIds(tokenizer, marks = []) {
  const special = new Set();
  for (const [id, token] of tokenizer.get_added_tokens_decoder()) {
    if (token.special && !marks.includes(token.content)) special.add(id);
  }
  return special;
}

/**
 * @param {any} json  tokenizer.json
 * @returns {ByteDecoder | null} null when the decoder is not one that works on bytes
 */
function byteDecoderOf(json) {
  const steps = json.decoder?.type === "Sequence" ? json.decoder.decoders : [json.decoder];
  if (steps.length === 1 && steps[0]?.type === "ByteLevel") {
    const added = new Set(json.added_tokens.map((/** @type {any} */ t) => t.content));
    const bytes = (/** @type {string} */ token) =>
      added.has(token) ? encoder.encode(token) : byteLevel(token);
    return { bytes, strip: 0 };
  }

  /** @type {[string, string][]} */
  const replacements = [];
  let rest = [...steps];
  while (rest[0]?.type === "Replace" && typeof rest[0].pattern?.String === "string") {
    const { pattern, content } = rest.shift();
    replacements.push([pattern.String, content]);
  }
  if (rest.shift()?.type !== "ByteFallback" || rest.shift()?.type !== "Fuse") return null;
  const strip = rest.shift();
  if (rest.length > 0) return null;
  if (strip && !(strip.type === "Strip" && strip.content === " " && strip.stop === 0)) return null;
  return {
    bytes(token) {
      if (/^<0x[0-9A-Fa-f]{2}>$/.test(token)) return Uint8Array.of(parseInt(token.slice(3, 5), 16));
      for (const [from, to] of replacements) token = token.replaceAll(from, to);
      return encoder.encode(token);
    },
    strip: strip?.start ?? 0,
  };
}

/** GPT-2's table: printable bytes stand for themselves, the others for U+0100 onwards. */
const BYTE_OF = (() => {
  const table = new Map();
  let shift = 0;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    table.set(String.fromCharCode(printable ? byte : 256 + shift++), byte);
  }
  return table;
})();

/**
 * @param {string} token
 * @returns {Uint8Array}
 */
function byteLevel(token) {
  const bytes = [...token].map((character) => BYTE_OF.get(character));
  return bytes.includes(undefined) ? encoder.encode(token) : Uint8Array.from(bytes);
}

/**
 * Holds text back while it may still become a stop string; the stop string itself is dropped.
 * @param {string[]} stops
 * @returns {{ push: (text: string) => string, end: () => string, readonly isStopped: boolean }}
 */
export function createStopMatcher(stops) {
  let held = "";
  let isStopped = false;
  return {
    /** Text that can be shown now. */
    push(text) {
      if (isStopped) return "";
      held += text;
      const starts = stops.map((stop) => held.indexOf(stop)).filter((start) => start >= 0);
      isStopped = starts.length > 0;
      const safe = isStopped ? Math.min(...starts) : held.length - longestTail(held, stops);
      const shown = held.slice(0, safe);
      held = isStopped ? "" : held.slice(safe);
      return shown;
    },
    end() {
      const shown = held;
      held = "";
      return shown;
    },
    get isStopped() {
      return isStopped;
    },
  };
}

/**
 * @param {string} text
 * @param {string[]} stops
 * @returns {number} length of the longest end of `text` that begins a stop string
 */
export function longestTail(text, stops) {
  let longest = 0;
  for (const stop of stops) {
    for (let n = Math.min(stop.length - 1, text.length); n > longest; n--) {
      if (text.endsWith(stop.slice(0, n))) {
        longest = n;
        break;
      }
    }
  }
  return longest;
}
