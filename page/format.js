// Numbers and times as text for people. Independent of the page.

const whole = new Intl.NumberFormat("en");
const prefixes = ["", "k", "M", "G", "T", "P", "E"];

/** Shown for an unknown value. */
export const unknown = "–";

/** 1234567 -> "1,234,567" */
export function count(value) {
  return value == null ? unknown : whole.format(value);
}

/** Three digits and their SI prefix: 1234567 -> ["1.23", "M"], 0.04 -> ["0.04", ""]. */
export function scaled(value) {
  if (value == null) return [unknown, ""];
  let [number, prefix] = [value, 0];
  while (Math.abs(number) >= 999.5 && prefix < prefixes.length - 1) [number, prefix] = [number / 1000, prefix + 1];
  return [digits(number, prefix > 0 || !Number.isInteger(value)), prefixes[prefix]];
}

function digits(number, hasFraction) {
  if (!hasFraction) return String(number);
  const size = Math.abs(number);
  if (size > 0 && size < 0.005) return "<0.01";
  return number.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** 1234567 -> "1.23 MB" with the unit "B". */
export function short(value, unit = "") {
  const [number, prefix] = scaled(value);
  return value == null ? unknown : `${number}${prefix || unit ? " " : ""}${prefix}${unit}`;
}

/** 0.1234 -> "12.3 %" */
export function percent(part) {
  return part == null ? unknown : `${(100 * part).toFixed(1)} %`;
}

/** Seconds: 7.2 -> "7 s", 130 -> "2 min", 90000 -> "25 h". */
export function duration(seconds) {
  if (seconds == null) return unknown;
  if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Unix seconds -> "17:04:22", with the date if it isn't today. */
export function clock(seconds, today = Date.now() / 1000) {
  const time = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const text = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  if (time.toDateString() === new Date(today * 1000).toDateString()) return text;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${text}`;
}

/** 1, "row" -> "1 row"; 2, "row" -> "2 rows" */
export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}
