/**
 * @huggingface/jinja's interpreter with Python's meaning where the two differ.
 */

import { Environment, Interpreter } from "./vendor/jinja/jinja.js";
import { FILTERS, TESTS, attribute, isTrue, joined } from "./template-filters.js";
import { METHODS } from "./template-strings.js";
import {
  ArrayValue,
  BooleanValue,
  FunctionValue,
  IntegerValue,
  ObjectValue,
  StringValue,
  TupleValue,
  UndefinedValue,
  contains,
  isEqual,
  isNumber,
  itemsOf,
  pairsOf,
  toText,
} from "./template-values.js";

/** @typedef {import("./template-values.js").Value} Value */
/** @typedef {any} Node  of the library's syntax tree; it has no types for what is read here */
/** @typedef {any} Scope  the library's Environment */

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
/** What dictionaries of Python answer to by a dot, even where they have such a key. */
const DICT_METHODS = new Set(["get", "items", "keys", "values"]);

/** Its methods are private to TypeScript. @type {new (scope?: Scope) => any} */
const Base = /** @type {any} */ (Interpreter);

export class PythonInterpreter extends Base {
  /**
   * @param {Node} node
   * @param {Scope} scope
   * @returns {Value}
   */
  evaluate(node, scope) {
    switch (node?.type) {
      case "Value": // computed before: see `given`
        return node.value;
      case "Break":
      case "Continue":
        throw new LoopControl(node.type);
      default:
        return super.evaluate(node, scope);
    }
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

  /**
   * @param {Node} node
   * @param {Scope} scope
   */
  evaluateBinaryExpression(node, scope) {
    const operator = node.operator.value;
    if (operator === "and" || operator === "or") return super.evaluateBinaryExpression(node, scope);
    const left = this.evaluate(node.left, scope);
    const right = this.evaluate(node.right, scope);
    const isText = left instanceof StringValue && right instanceof StringValue;
    switch (operator) {
      case "==":
      case "!=":
        return new BooleanValue(isEqual(left, right) === (operator === "=="));
      case "in":
      case "not in":
        return new BooleanValue(contains(right, left) === (operator === "in"));
      case "~":
        return new StringValue(toText(left) + toText(right));
      case "+":
        if (isText) return joined(left, right);
        if (left instanceof StringValue || right instanceof StringValue) throw mismatch(operator, left, right);
        break;
      case "*":
        if (left instanceof StringValue && right instanceof IntegerValue) {
          return new StringValue(left.value.repeat(Math.max(right.value, 0)));
        }
        break;
      case "%":
        if (isNumber(left) && isNumber(right)) {
          const remainder = left.value - right.value * Math.floor(left.value / right.value);
          return new left.constructor(remainder);
        }
        break;
      case "<":
      case "<=":
      case ">":
      case ">=":
        if (isText) {
          const order = left.value < right.value ? -1 : Number(left.value > right.value);
          return super.evaluateBinaryExpression(
            { operator: node.operator, left: given(new IntegerValue(order)), right: given(new IntegerValue(0)) },
            scope,
          );
        }
    }
    return super.evaluateBinaryExpression(
      { operator: node.operator, left: given(left), right: given(right) },
      scope,
    );
  }

  /**
   * @param {Node} node
   * @param {Scope} scope
   */
  evaluateMemberExpression(node, scope) {
    const object = this.evaluate(node.object, scope);
    if (object instanceof UndefinedValue) {
      throw new Error(`'${nameOf(node.object)}' is undefined`);
    }
    if (!node.computed && node.property.type === "Identifier") {
      const name = node.property.value;
      if (object instanceof StringValue) {
        const method = METHODS[name];
        if (method) return new FunctionValue((/** @type {Value[]} */ args) => method(object.value, args));
      }
      if (name === "length" && (object instanceof StringValue || object instanceof ArrayValue)) {
        return new UndefinedValue();
      }
      if (object instanceof ObjectValue && DICT_METHODS.has(name)) {
        return name === "items" ? new FunctionValue(() => pairsOf(object)) : object.builtins.get(name);
      }
    }
    const property = node.computed && node.property.type !== "SliceExpression"
      ? this.evaluate(node.property, scope)
      : null;
    if (property && object instanceof StringValue && property instanceof IntegerValue) {
      const letter = Array.from(object.value).at(property.value);
      return letter === undefined ? new UndefinedValue() : new StringValue(letter);
    }
    // A dictionary has no key that is a number or nothing.
    if (property && object instanceof ObjectValue && !(property instanceof StringValue)) {
      return new UndefinedValue();
    }
    return super.evaluateMemberExpression(
      { ...node, object: given(object), property: property ? given(property) : node.property },
      scope,
    );
  }

  /**
   * @param {Node} node
   * @param {Scope} scope
   */
  evaluateTestExpression(node, scope) {
    const answer = this.isA(node.test.value, this.evaluate(node.operand, scope), null, scope);
    return new BooleanValue(answer !== node.negate);
  }

  /**
   * @param {string} name  of a test
   * @param {Value} value
   * @param {Value} other  what it is tested against; most tests need none
   * @param {Scope} scope
   * @returns {boolean}
   */
  isA(name, value, other, scope) {
    const test = TESTS[name];
    if (test) return test(value, other);
    const node = { operand: given(value), test: { value: name }, negate: false };
    return super.evaluateTestExpression(node, scope).value;
  }

  /**
   * @param {Value} value
   * @param {Node} node
   * @param {Scope} scope
   * @returns {Value}
   */
  applyFilter(value, node, scope) {
    const isCall = node.type === "CallExpression";
    const name = isCall ? node.callee.value : node.value;
    const [args, named] = isCall ? this.evaluateArguments(node.args, scope) : [[], new Map()];
    const filter = FILTERS[name];
    if (filter) return filter(value, args, named);
    switch (name) {
      case "select":
      case "reject":
      case "selectattr":
      case "rejectattr": {
        const [path, test, expected] = name.endsWith("attr") ? args : [null, ...args];
        const wanted = name.startsWith("select");
        return new ArrayValue(
          (isTrue(value) ? itemsOf(value) : []).filter((item) => {
            const found = path === null ? item : attribute(item, path);
            return (test ? this.isA(test.value, found, expected, scope) : isTrue(found)) === wanted;
          }),
        );
      }
      case "map": {
        const path = named.get("attribute");
        const fallback = named.get("default");
        return new ArrayValue(
          (isTrue(value) ? itemsOf(value) : []).map((item) => {
            if (!path) return this.applyFilter(item, filterCall(args), scope);
            const found = attribute(item, path);
            return found instanceof UndefinedValue ? (fallback ?? found) : found;
          }),
        );
      }
    }
    const result = super.applyFilter(value, node, scope);
    return name === "dictsort"
      ? new ArrayValue(result.value.map((/** @type {Value} */ pair) => new TupleValue(pair.value)))
      : result;
  }
}

/**
 * A node whose value is known.
 * @param {Value} value
 */
function given(value) {
  return { type: "Value", value };
}

/**
 * The filter that `map` applies to each item.
 * @param {Value[]} args  its name and its arguments
 */
function filterCall([name, ...args]) {
  return { type: "CallExpression", callee: { value: name.value }, args: args.map(given) };
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

/** @param {Node} node */
function nameOf(node) {
  return node.value ?? node.property?.value ?? "value";
}

/**
 * @param {string} operator
 * @param {Value} left
 * @param {Value} right
 */
function mismatch(operator, left, right) {
  return new Error(`cannot use ${operator} between ${left.type} and ${right.type}`);
}
