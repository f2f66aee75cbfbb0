import { readFileSync } from "node:fs";

/** What tools/oracles.py wrote. */
export function readOracle(name) {
  return JSON.parse(readFileSync(new URL(`oracles/${name}.json`, import.meta.url), "utf8"));
}
