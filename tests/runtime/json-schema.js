/** Whether a value fits a schema: the keywords of the tests, said as JSON Schema says them. */
export function fits(value, schema, root) {
  if (typeof schema === "boolean") return schema;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  const types = schema.type === undefined ? [type] : [schema.type].flat();
  const same = (other) => JSON.stringify(other) === JSON.stringify(value);
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const target = () => schema.$ref.split("/").slice(1).reduce((part, key) => part[key], root);
  return [
    types.includes(type) || (types.includes("integer") && Number.isInteger(value)),
    schema.$ref === undefined || fits(value, target(), root),
    schema.anyOf === undefined || schema.anyOf.some((part) => fits(value, part, root)),
    schema.enum === undefined || schema.enum.some(same),
    !("const" in schema) || same(schema.const),
    typeof value !== "number" || !(value < schema.minimum || value > schema.maximum),
    typeof value !== "string" || !([...value].length < schema.minLength || [...value].length > schema.maxLength),
    typeof value !== "string" || schema.pattern === undefined || new RegExp(schema.pattern, "u").test(value),
    type !== "array" || !(value.length < schema.minItems || value.length > schema.maxItems),
    type !== "array" || value.every((item) => fits(item, schema.items ?? true, root)),
    !isObject || required.every((name) => Object.hasOwn(value, name)),
    !isObject ||
      Object.entries(value).every(([name, part]) =>
        fits(part, Object.hasOwn(properties, name) ? properties[name] : additionalProperties, root),
      ),
  ].every(Boolean);
}
