/**
 * Chat templates: @huggingface/jinja reads and runs them, with Python's meaning where the two
 * differ: statements in template-interpreter.js, operators in template-expressions.js, the rest in
 * template-filters, -strings and -values.js.
 *
 * The build refuses templates that use what neither knows (sitegen/models/tokens/template.py).
 */

import { Environment, parse, tokenize } from "./vendor/jinja/jinja.js";
import { strftime } from "./strftime.js";
import { PythonInterpreter } from "./template-interpreter.js";
import { ArrayValue, FunctionValue, IntegerValue } from "./template-values.js";

/** @typedef {import("./template-values.js").Value} Value */
/** @typedef {import("./template-expressions.js").Scope} Scope */

/**
 * @param {string} source
 * @param {() => Date} [now]  the reader's clock
 * @returns {(variables: Record<string, unknown>) => string} throws what the template raises
 */
export function compileTemplate(source, now = () => new Date()) {
  const program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  return (variables) => {
    /** @type {Scope} */
    const scope = new Environment();
    const globals = {
      ...{ true: true, false: false, none: null, True: true, False: false, None: null },
      raise_exception(/** @type {string} */ message) {
        throw new Error(message);
      },
      strftime_now: (/** @type {string} */ format) => strftime(now(), format),
      ...variables,
    };
    for (const [name, value] of Object.entries(globals)) scope.set(name, value);
    scope.setVariable("range", new FunctionValue(range));
    return new PythonInterpreter(scope).run(program).value;
  };
}

/** @param {Value[]} args  numbers */
function range(args) {
  const [first, second, step = 1] = args.map((value) => value.value);
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  return new ArrayValue(Array.from({ length: count }, (_, i) => new IntegerValue(start + i * step)));
}
