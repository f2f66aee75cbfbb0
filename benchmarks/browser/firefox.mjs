/**
 * Firefox, driven over WebDriver BiDi: `node firefox.mjs PUPPETEER FIREFOX PROFILE`.
 * Every line of stdin is a command { open: url } or { call: [method of bench, ...arguments] };
 * every line of stdout its answer, { result } or { error }.
 */

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, executablePath, userDataDir] = process.argv.slice(2);
const resolve = createRequire(`${modules}/`).resolve;
const { default: puppeteer } = await import(pathToFileURL(resolve("puppeteer-core")).href);

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  userDataDir,
  headless: true,
  protocolTimeout: 30 * 60_000, // an answer may take minutes
});
let page;

async function run({ open, call }) {
  if (open) {
    await page?.close();
    page = await browser.newPage();
    await page.goto(open);
    await page.waitForSelector("html[data-ready]");
    return null;
  }
  return page.evaluate((method, ...rest) => globalThis.bench[method](...rest), ...call);
}

console.log(JSON.stringify({ result: null }));
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ result: await run(JSON.parse(line)) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error?.message ?? error) }));
  }
}
await browser.close();
