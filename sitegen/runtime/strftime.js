/**
 * Dates in chat templates, as Python's strftime writes them in the C locale.
 */

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");
/** @param {Date} date */
const hour12 = (date) => date.getHours() % 12 || 12;
/** @param {Date} date */
const dayOfYear = (date) =>
  Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) / 864e5);

/** sitegen/models/tokens/template.py holds the same list. @type {Record<string, (date: Date) => string>} */
export const DIRECTIVES = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2),
  B: (date) => MONTHS[date.getMonth()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  A: (date) => DAYS[date.getDay()],
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  H: (date) => two(date.getHours()),
  I: (date) => two(hour12(date)),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  j: (date) => String(dayOfYear(date)).padStart(3, "0"),
  F: (date) => strftime(date, "%Y-%m-%d"),
  T: (date) => strftime(date, "%H:%M:%S"),
  "-d": (date) => String(date.getDate()),
  "-m": (date) => String(date.getMonth() + 1),
  "-H": (date) => String(date.getHours()),
  "-I": (date) => String(hour12(date)),
  "%": () => "%",
};

/**
 * @param {Date} date  read in the reader's time zone
 * @param {string} format
 * @returns {string} what it does not know is left as it stands
 */
export function strftime(date, format) {
  return format.replace(/%(-?[A-Za-z]|%)/g, (whole, name) => DIRECTIVES[name]?.(date) ?? whole);
}
