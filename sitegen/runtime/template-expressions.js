/**
 * Expressions of chat templates: @huggingface/jinja's, with Python's meaning where the two differ.
 */

import { Interpreter } from "./vendor/jinja/jinja.js";
import { FILTERS, TESTS, attribute, isTrue, joined } from "./template-filters.js";
import { METHODS } from "./template-strings.js";
import {
  ArrayValue,
  BooleanValue,
  FunctionValue,
  GeneratorValue,
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

/** What dictionaries of Python answer to by a dot, even where they have such a key. */
const DICT_METHODS = new Set(["get", "items", "keys", "values"]);

/** Its methods are private to TypeScript. @type {new (scope?: Scope) => any} */
const Base = /** @type {any} */ (Interpreter);

export class Expressions extends Base {
  /**
   * @param {Node} node
   * @param {Scope} scope
   * @returns {Value}
   */
  evaluate(node, scope) {
    // computed before: see `given`
    return node?.type === "Value" ? node.value : super.evaluate(node, scope);
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
        return new GeneratorValue(
          (isTrue(value) ? itemsOf(value) : []).filter((item) => {
            const found = path === null ? item : attribute(item, path);
            return (test ? this.isA(test.value, found, expected, scope) : isTrue(found)) === wanted;
          }),
        );
      }
      case "map": {
        const path = named.get("attribute");
        const fallback = named.get("default");
        return new GeneratorValue(
          (isTrue(value) ? itemsOf(value) : []).map((item) => {
            if (!path) return this.applyFilter(item, filterCall(args), scope);
            const found = attribute(item, path);
            return found instanceof UndefinedValue ? (fallback ?? found) : found;
          }),
        );
      }
    }
    const operand = value instanceof GeneratorValue ? new ArrayValue(itemsOf(value)) : value;
    const result = super.applyFilter(operand, node, scope);
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
