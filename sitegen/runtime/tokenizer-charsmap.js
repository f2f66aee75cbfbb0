/**
 * SentencePiece's compiled character map, as Python's library applies it.
 *
 * SentencePiece takes the longest entry at each place. The library looks at each grapheme cluster
 * instead, and the shortest entry that begins a short one replaces all of it: what follows in the
 * cluster is lost. Models are fed by the library, so this does the same.
 * tokenizers/src/normalizers/precompiled.rs, and the crate spm_precompiled 0.1
 */

/** UTF-8 bytes from which on a cluster is looked up character by character. */
const LONG = 6;

const MARK = "\\p{Grapheme_Extend}\\p{Emoji_Modifier}\\u200D";
/** Mc and two vowels that are letters, but not these. */
const SPACING_MARK =
  "(?![\\u102B\\u102C\\u1038\\u1062-\\u1064\\u1067-\\u106D\\u1083\\u1087-\\u108C\\u108F\\u109A-\\u109C" +
  "\\u1A61\\u1A63\\u1A64\\uAA7B\\uAA7D\\u{11720}\\u{11721}])[\\p{Mc}\\u0E33\\u0EB3]";
/** Signs that stand before a number or a consonant. */
const PREPENDED =
  "\\u0600-\\u0605\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u0D4E\\u{110BD}\\u{110CD}\\u{111C2}\\u{111C3}" +
  "\\u{113D1}\\u{1193F}\\u{11941}\\u{11A3A}\\u{11A84}-\\u{11A89}\\u{11D46}\\u{11F02}";
const CONTROL = `(?![${MARK}${PREPENDED}])[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]`;

/**
 * Extended grapheme clusters, https://www.unicode.org/reports/tr29/, as far as they matter here:
 * what else is joined (Hangul, flags, emoji, Indic conjuncts) is long, and no map has an entry for
 * what it falls into. Intl.Segmenter finds all of them, but by rules that change with the browser,
 * and Firefox has it since 125 only.
 */
const CLUSTER = new RegExp(
  `\\r\\n|${CONTROL}|[${PREPENDED}]*(?!${CONTROL}).(?:[${MARK}]|${SPACING_MARK})*`,
  "gsu",
);

/**
 * @param {string} base64  a double array (Darts-clone) from keys to places in the texts after it:
 *     its length in bytes, its units, all uint32 and little-endian; then texts in UTF-8, each
 *     ended by a zero byte
 * @returns {(text: string) => string}
 */
export function charsmapNormalizer(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const texts = bytes.subarray(4 + view.getUint32(0, true));
  const units = Uint32Array.from({ length: view.getUint32(0, true) >>> 2 }, (_, n) => view.getUint32(4 + 4 * n, true));
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /**
   * @param {Uint8Array} key
   * @returns {string | undefined} what the shortest entry that begins `key` is replaced by
   */
  const find = (key) => {
    let place = offset(units[0]);
    for (const byte of key) {
      place ^= byte;
      const unit = units[place];
      if (byte === 0 || (unit & 0x800000ff) !== byte) return undefined;
      place ^= offset(unit);
      if (unit & 0x100) {
        const start = units[place] & 0x7fffffff;
        return decoder.decode(texts.subarray(start, texts.indexOf(0, start)));
      }
    }
    return undefined;
  };

  /** @param {string} cluster */
  const replacementOf = (cluster) => {
    const key = encoder.encode(cluster);
    const whole = key.length < LONG ? find(key) : undefined;
    return whole ?? Array.from(cluster, (letter) => find(encoder.encode(letter)) ?? letter).join("");
  };

  /** @type {Map<string, string>} */
  const known = new Map();
  return (text) =>
    text.replace(CLUSTER, (cluster) => {
      let replacement = known.get(cluster);
      if (replacement === undefined) known.set(cluster, (replacement = replacementOf(cluster)));
      return replacement;
    });
}

/** @param {number} unit */
function offset(unit) {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
