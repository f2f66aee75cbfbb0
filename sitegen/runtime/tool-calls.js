/**
 * Tool calls in what a model writes: the forms that models were trained on, told apart by what
 * their chat template says, and read into OpenAI's shape.
 */

import { longestTail } from "./decode.js";
import { SitegenError } from "./protocol.js";

/**
 * How a model writes its calls.
 *
 * tagged  each between two tags: <tool_call>{"name", "arguments"}</tool_call>, or a list of them
 *         (Hermes, Qwen, SmolLM)
 * marked  after a mark, as a list, or as name[ARGS]{…} (Mistral), or after <|tool_call|> (Granite)
 * bare    the answer is {"name", "parameters"}, or several of it between ";" (Llama 3)
 * @typedef {{ kind: "tagged" | "marked" | "bare", mark: string }} ToolForm
 */

/**
 * @typedef {object} ToolCall
 * @property {string} id
 * @property {"function"} type
 * @property {{ name: string, arguments: string }} function  arguments: JSON of an object
 */

/** Tokens that belong to a call; some tokenizers call them special and would not show them. */
export const TOOL_MARKS = [
  ...["<tool_call>", "</tool_call>", "<|tool_call|>"],
  ...["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "<|python_tag|>"],
];

/**
 * @param {string | null} template
 * @returns {ToolForm}  throws "bad-request" for a template without tools, and for an unknown form
 */
export function toolForm(template) {
  if (template === null || !usesTools(template)) {
    throw new SitegenError(
      "bad-request",
      "This model's chat template has no tools: leave out tools, tool_choice and messages of tools, " +
        "or take a model that was trained on them.",
    );
  }
  if (template.includes("[TOOL_CALLS]")) return { kind: "marked", mark: "[TOOL_CALLS]" };
  if (template.includes("<|tool_call|>")) return { kind: "marked", mark: "<|tool_call|>" };
  if (template.includes("<tool_call>") && !template.includes("<function=")) {
    return { kind: "tagged", mark: "<tool_call>" };
  }
  if (template.includes("ipython") && /"parameters\\?": /.test(template)) return { kind: "bare", mark: "<|python_tag|>" };
  throw new SitegenError(
    "bad-request",
    "This model's chat template has tools, and calls in a form that this engine does not read. It reads " +
      "those of Hermes, Qwen and SmolLM (<tool_call>), Llama 3 (JSON), Mistral ([TOOL_CALLS]) and Granite.",
  );
}

/** A string in Jinja. */
const STRING = String.raw`"(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*'`;

/**
 * Whether a variable of tools is in its code, not just the word in its texts.
 * @param {string} template
 */
function usesTools(template) {
  const blocks = template
    .replace(/\{#[^]*?#\}/g, "")
    .match(new RegExp(String.raw`\{[{%](?:${STRING}|[^"'])*?[%}]\}`, "g"));
  const code = (blocks ?? []).join(" ").replace(new RegExp(STRING, "g"), "");
  return /(?<![.\w])(xml_)?tools\b/.test(code);
}

/**
 * Text goes through as it comes, up to where a call may begin; from there on it is held back.
 * @param {ToolForm} form
 * @param {string[]} names  of the tools there are
 * @returns {{ push: (text: string) => string, end: () => { text: string, calls: ToolCall[] } }}
 *   `end` gives the calls and what stands beside them. Where one of them is no call, all is text.
 */
export function createToolReader(form, names) {
  let held = "";
  let isCall = false;
  let isText = false; // a bare call is the whole answer or none of it
  return {
    push(text) {
      held += text;
      if (isCall) return "";
      const start = held.indexOf(form.mark);
      isCall = start >= 0 || (form.kind === "bare" && !isText && held.trimStart().startsWith("{"));
      const mayBegin = form.kind === "bare" && !isText && held.trimStart() === "";
      let safe = Math.max(start, 0);
      if (!isCall) safe = mayBegin ? 0 : held.length - longestTail(held, [form.mark]);
      const shown = held.slice(0, safe);
      held = held.slice(safe);
      isText ||= shown.trimStart() !== "";
      return shown;
    },
    end() {
      const read = isCall ? readCalls(form, held, names) : null;
      const answer = read ?? { text: held, calls: [] };
      held = "";
      return answer;
    },
  };
}

/**
 * @param {ToolForm} form
 * @param {string} written  from the first mark on
 * @param {string[]} names
 * @returns {{ text: string, calls: ToolCall[] } | null}
 */
function readCalls(form, written, names) {
  let beside = "";
  /** @type {any[]} */
  let found;
  try {
    if (form.kind === "tagged") {
      const tagged = /<tool_call>([^]*?)(?:<\/tool_call>|$)/g;
      found = [...written.matchAll(tagged)].flatMap(([, call]) => JSON.parse(call));
      beside = written.replace(tagged, "");
    } else if (form.kind === "marked") {
      const parts = written.split(form.mark).map((part) => part.trim());
      found = parts.filter((part) => part !== "").flatMap(readMarked);
    } else {
      const objects = written.replace(form.mark, "").split(/(?<=\})\s*;\s*(?=\{)/);
      found = objects.map((object) => JSON.parse(object));
      // JSON that a reader asked for may look like a call.
      if (!found.every((call) => names.includes(call?.name))) return null;
    }
    return { text: beside.trim() === "" ? "" : beside, calls: found.map(newCall) };
  } catch {
    return null; // it is no JSON, or none of a call
  }
}

/**
 * @param {string} part  a list of calls, one call, or name[CALL_ID]id[ARGS]{…}
 * @returns {any}
 */
function readMarked(part) {
  if (/^[[{]/.test(part)) return JSON.parse(part);
  const [, name, id, args] = /^([\w.-]+)(?:\[CALL_ID\](\w+))?(?:\[ARGS\])?\s*(\{[^]*\})$/.exec(part) ?? [];
  return { name, id, arguments: JSON.parse(args) };
}

/**
 * @param {any} call
 * @returns {ToolCall}  throws when it is none
 */
function newCall(call) {
  const given = call.arguments ?? call.parameters ?? {};
  const args = typeof given === "string" ? JSON.parse(given) : given;
  if (typeof call.name !== "string" || call.name === "" || typeof args !== "object" || Array.isArray(args)) {
    throw new TypeError("no call");
  }
  const id = /^[A-Za-z0-9]{9}$/.test(call.id ?? "") ? call.id : newId();
  return { id, type: "function", function: { name: call.name, arguments: JSON.stringify(args) } };
}

/** Nine letters and digits: Mistral's templates take no other. */
function newId() {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join("");
}
