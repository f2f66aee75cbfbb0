/**
 * Statements of chat templates: @huggingface/jinja's, with Python's meaning where the two differ.
 */

import { Environment } from "./vendor/jinja/jinja.js";
import { Expressions } from "./template-expressions.js";
import { isTrue } from "./template-filters.js";
import { FunctionValue, StringValue, itemsOf, toText } from "./template-values.js";

/** @typedef {import("./template-values.js").Value} Value */
/** @typedef {import("./template-expressions.js").Node} Node */
/** @typedef {import("./template-expressions.js").Scope} Scope */

/** `break` and `continue` on their way to their loop, with the text before them. */
class LoopControl extends Error {
  text = "";

  /** @param {"Break" | "Continue"} kind */
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

/** Statements; everything else in a body is an expression to be shown. */
const STATEMENTS = new Set(["Set", "Macro", "Comment", "If", "For", "Break", "Continue"]);

export class PythonInterpreter extends Expressions {
  /**
   * @param {Node} node
   * @param {Scope} scope
   * @returns {Value}
   */
  evaluate(node, scope) {
    if (node?.type === "Break" || node?.type === "Continue") throw new LoopControl(node.type);
    return super.evaluate(node, scope);
  }

  /**
   * @param {Node[]} statements
   * @param {Scope} scope
   */
  evaluateBlock(statements, scope) {
    let text = "";
    try {
      for (const statement of statements) {
        const value = this.evaluate(statement, scope);
        if (!STATEMENTS.has(statement.type)) text += toText(value);
        else if (value instanceof StringValue) text += value.value;
      }
    } catch (error) {
      if (error instanceof LoopControl) error.text = text + error.text;
      throw error;
    }
    return new StringValue(text);
  }

  /**
   * Each round has variables of its own, and anything that Python iterates can be looped over.
   * @param {Node} node
   * @param {Scope} scope
   */
  evaluateFor(node, scope) {
    const isFiltered = node.iterable.type === "SelectExpression";
    const items = itemsOf(this.evaluate(isFiltered ? node.iterable.lhs : node.iterable, scope));
    const rounds = items
      .map((item) => ({ item, inner: loopScope(node.loopvar, item, scope) }))
      .filter(({ inner }) => !isFiltered || isTrue(this.evaluate(node.iterable.test, inner)));
    let text = "";
    let isThrough = false; // a round came to its end: the `else` is not for this loop
    for (const [i, { inner }] of rounds.entries()) {
      const { length } = rounds;
      inner.set("loop", {
        ...{ index: i + 1, index0: i, revindex: length - i, revindex0: length - i - 1 },
        ...{ first: i === 0, last: i === length - 1, length },
      });
      const loop = inner.lookupVariable("loop").value;
      if (i > 0) loop.set("previtem", rounds[i - 1].item);
      if (i < length - 1) loop.set("nextitem", rounds[i + 1].item);
      try {
        text += this.evaluateBlock(node.body, inner).value;
        isThrough = true;
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error;
        text += error.text;
        if (error.kind === "Break") break;
      }
    }
    if (!isThrough) text += this.evaluateBlock(node.defaultBlock, scope).value;
    return new StringValue(text);
  }

  /**
   * A macro sees what stands around its definition, not around its call.
   * @param {Node} node
   * @param {Scope} scope
   */
  evaluateMacro(node, scope) {
    const result = super.evaluateMacro(node, scope);
    const name = node.name.value;
    const macro = scope.lookupVariable(name);
    scope.setVariable(
      name,
      new FunctionValue((/** @type {Value[]} */ args, /** @type {Scope} */ caller) => {
        /** @type {Scope} */
        const inner = new Environment(scope);
        const block = caller.variables.get("caller");
        if (block) inner.setVariable("caller", block);
        return macro.value(args, inner);
      }),
    );
    return result;
  }
}

/**
 * @param {Node} target  of a `for`: a name or several
 * @param {Value} item
 * @param {Scope} scope
 */
function loopScope(target, item, scope) {
  /** @type {Scope} */
  const inner = new Environment(scope);
  if (target.type === "Identifier") {
    inner.setVariable(target.value, item);
    return inner;
  }
  const values = itemsOf(item);
  if (values.length !== target.value.length) {
    throw new Error(`${target.value.length} values were expected in a loop, and ${values.length} came`);
  }
  target.value.forEach((/** @type {Node} */ { value: name }, /** @type {number} */ i) =>
    inner.setVariable(name, values[i]),
  );
  return inner;
}
