/**
 * Messages and tools in OpenAI's shape, checked and turned into what chat templates expect.
 */

import { badRequest } from "./options.js";

/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Tool} Tool */

const ROLES = ["system", "developer", "user", "assistant", "tool"];

/**
 * @param {any[]} messages
 * @returns {Message[]}  throws "bad-request"
 */
export function readMessages(messages) {
  /** Of the tools called so far. @type {Map<string, string>} */
  const names = new Map();
  return messages.map((message, index) => {
    const { role } = message ?? {};
    const at = `messages[${index}]`;
    if (!ROLES.includes(role)) throw badRequest(`${at}.role must be one of ${ROLES.join(", ")}.`);
    if (role === "tool") return readResult(message, at, names);
    if (role === "assistant" && message.tool_calls?.length > 0) {
      const tool_calls = readCalls(message.tool_calls, at);
      for (const call of tool_calls) names.set(call.id, call.function.name);
      // Templates that add to a content or go through it fail at null.
      const content = message.content == null ? "" : readContent(message.content, at);
      return { role, content, tool_calls };
    }
    // Chat templates know the newer name of a system message by the older one.
    return { role: role === "developer" ? "system" : role, content: readContent(message.content, at) };
  });
}

/**
 * @param {any} tools
 * @returns {Tool[]}  throws "bad-request"
 */
export function readTools(tools) {
  for (const [index, tool] of tools.entries()) {
    const { name } = tool?.function ?? {};
    if (tool?.type !== "function" || typeof name !== "string" || name === "") {
      throw badRequest(
        `tools[${index}] must be { type: "function", function: { name, description, parameters } }.`,
      );
    }
  }
  try {
    return JSON.parse(JSON.stringify(tools)); // a worker takes no functions, a template no classes
  } catch {
    throw badRequest("tools must be plain values, as JSON has them.");
  }
}

/**
 * @param {any} message
 * @param {string} at
 * @param {Map<string, string>} names
 * @returns {Message}
 */
function readResult({ content, tool_call_id }, at, names) {
  if (typeof tool_call_id !== "string") {
    throw badRequest(`${at}.tool_call_id must be the id of the call that it answers.`);
  }
  // Some templates ask for the tool's name, which OpenAI's messages do not repeat.
  const name = names.get(tool_call_id);
  if (name === undefined) throw badRequest(`${at} answers the call "${tool_call_id}", and no message before it makes it.`);
  return { role: "tool", content: readContent(content, at), tool_call_id, name };
}

/**
 * @param {any} calls
 * @param {string} at
 * @returns {NonNullable<Message["tool_calls"]>}
 */
function readCalls(calls, at) {
  if (!Array.isArray(calls)) throw badRequest(`${at}.tool_calls must be a list.`);
  return calls.map((call, index) => {
    const { id, function: called } = call ?? {};
    const where = `${at}.tool_calls[${index}]`;
    if (typeof id !== "string" || typeof called?.name !== "string") {
      throw badRequest(`${where} must be { id, type: "function", function: { name, arguments } }.`);
    }
    // Templates write the arguments as JSON themselves.
    const args = parsed(called.arguments);
    if (typeof args !== "object" || args === null || Array.isArray(args)) {
      throw badRequest(`${where}.function.arguments must be an object, as JSON in a text.`);
    }
    return { id, type: "function", function: { name: called.name, arguments: args } };
  });
}

/** @param {unknown} json */
function parsed(json) {
  try {
    return typeof json === "string" ? JSON.parse(json) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {unknown} content
 * @param {string} at
 * @returns {string}
 */
function readContent(content, at) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) {
    throw badRequest(`${at}.content must be a text, or a list of parts of type "text".`);
  }
  const texts = content.map((part) => {
    if (part?.type === "text" && typeof part.text === "string") return part.text;
    const type = typeof part?.type === "string" ? part.type : "unknown";
    throw badRequest(`${at}.content has a part of type "${type}", and this engine reads text alone.`);
  });
  return texts.join("\n");
}
