import { byID, element, KeyedList, put, setAttribute, setShape, shape } from "./dom.js";
import { clock, count, duration, plural, scaled } from "./format.js";
import { outcomeRate, rateOf, totalOf } from "./counters.js";
import { sum } from "./rates.js";

const totals = [
  { label: "runs/s", value: ({ collectors }) => sum(collectors.map((collector) => rateOf(collector, "runs"))) },
  { label: "B/s", value: ({ collectors }) => sum(collectors.map((collector) => rateOf(collector, "bytes"))) },
  { label: "B queued", value: ({ collectors }) => sum(collectors.map((collector) => totalOf(collector, "queued_bytes"))) },
  { label: "drops/s", isLoss: true, value: ({ collectors }) => sum(collectors.map((collector) => rateOf(collector, "drops"))) },
  { label: "failed over/s", isNoted: true, value: ({ groups }) => sum(groups.map((group) => outcomeRate(group, "failed_over"))) },
  { label: "held/s", isLoss: true, value: ({ groups }) => sum(groups.map((group) => outcomeRate(group, "held"))) },
  { label: "lost/s", isLoss: true, value: ({ groups }) => sum(groups.flatMap((group) => [outcomeRate(group, "no_collector"), outcomeRate(group, "bad_packet")])) },
];

/** The pool's name, its health, and its total rates. */
export class Head {
  #figures = totals.map(() => [element("span"), element("span", { class: "prefix" })]);
  #shape = shape("empty");
  #word = element("span");
  #trouble = new KeyedList(byID("trouble-list"), makeTrouble);

  constructor() {
    byID("totals").append(...totals.map(({ label }, index) => element("div", {}, element("dt", {}, label), element("dd", {}, ...this.#figures[index]))));
    byID("health").append(this.#shape, this.#word);
  }

  /** @param table of GET /table, or null */
  show(status, health, table) {
    put(byID("pool"), status.pool);
    document.title = `${health.ok ? "" : "! "}${status.pool} · reuseport-agent`;
    put(byID("assignment"), status.assignment);
    put(byID("rows"), count(status.table_size));
    put(byID("hold"), duration(table?.restart_hold));
    const active = status.collectors.filter(({ state }) => state === "active").length;
    put(byID("active"), `${active} of ${status.collectors.length} active`);
    this.#showTotals(status);
    this.#showHealth(status, health);
  }

  #showTotals(status) {
    totals.forEach((total, index) => {
      const value = total.value(status);
      const [number, prefix] = scaled(value);
      put(this.#figures[index][0], number);
      put(this.#figures[index][1], prefix);
      const { classList } = this.#figures[index][0].parentElement;
      classList.toggle("alarm", total.isLoss === true && value > 0);
      classList.toggle("noted", total.isNoted === true && value > 0);
    });
  }

  #showHealth(status, health) {
    const notes = status.findings.filter(({ level }) => level === "note").length;
    const isWell = health.ok;
    setAttribute(byID("health"), "data-level", isWell ? "well" : "problem");
    setShape(this.#shape, isWell ? "active" : "warning");
    put(this.#word, (isWell ? "healthy" : plural(health.reasons.length, "problem")) + (notes ? `, ${plural(notes, "note")}` : ""));
    byID("trouble").hidden = isWell && notes === 0;
    setAttribute(byID("trouble"), "data-level", isWell ? "note" : "problem");
    put(byID("trouble-title"), isWell ? "Notes" : "Problems");
    const lines = [
      ...status.findings.map((finding) => ({ level: finding.level, text: finding.text, since: finding.since })),
      ...health.reasons.filter((reason) => !isFinding(reason, status.findings)).map((text) => ({ level: "problem", text })),
    ].sort((one, other) => (one.level < other.level ? 1 : one.level > other.level ? -1 : 0));
    this.#trouble.show(lines.map((line) => JSON.stringify(line)));
  }
}

/** Whether a reason is also a finding, which shows its level and start, too. */
function isFinding(reason, findings) {
  return findings.some(({ name, text }) => reason === `${name}: ${text}`);
}

function makeTrouble(key) {
  const { level, text, since } = JSON.parse(key);
  const time = since ? element("time", { datetime: new Date(since * 1000).toISOString() }, `since ${clock(since)}`) : "";
  return { node: element("li", { "data-level": level }, shape(level === "problem" ? "warning" : "note"), element("span", {}, text, " ", time)) };
}

/** Whether the page is up to date. */
export class Contact {
  #answeredAt = null;
  #answeredTime = null;
  #problem = null;

  answered() {
    [this.#answeredAt, this.#answeredTime] = [performance.now(), Date.now() / 1000];
    if (this.#problem) say("The agent answers again.");
    this.#problem = null;
    this.tick(false);
  }

  failed(problem) {
    if (!this.#problem) say(`No answer from the agent: ${problem}.`);
    this.#problem = problem;
    this.tick(false);
  }

  get isStale() {
    return this.#problem !== null || (this.#answeredAt !== null && performance.now() - this.#answeredAt > 7000);
  }

  tick(isPaused) {
    const age = this.#answeredAt === null ? null : (performance.now() - this.#answeredAt) / 1000;
    document.documentElement.toggleAttribute("data-stale", this.isStale || isPaused);
    const silence = byID("silence");
    silence.hidden = !(this.isStale || isPaused);
    const since = age === null ? "never" : `since ${clock(this.#answeredTime)}, ${duration(age)} ago`;
    if (silence.hidden) put(silence, "");
    else if (isPaused) put(silence, age === null ? "Paused before the first answer." : `Paused: the values below are of ${clock(this.#answeredTime)}.`);
    else if (age === null) put(silence, `No answer yet: ${this.#problem ?? ""}.`);
    else put(silence, `No answer ${since}${this.#problem ? ` (${this.#problem})` : ""}. The values below are of that time.`);
    put(byID("contact"), isPaused ? "paused" : this.isStale ? "no answer" : age === null ? "asking the agent …" : `live ${clock(this.#answeredTime)}`);
  }
}

/** Announces changes to screen readers. */
export function say(text) {
  put(byID("spoken"), text);
}
