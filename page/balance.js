import { byID, element, KeyedList, put, setAttribute } from "./dom.js";
import { short } from "./format.js";
import { balance, history, rateOf } from "./counters.js";
import { nameTag, setNameTag, tint } from "./tint.js";

const few = 32;
/** Time spans to draw, in seconds: the shortest one that contains all samples is used. */
const spans = [120, 300, 900];
const points = 150;
const units = { bytes: "B/s", runs: "runs/s" };

/** A small chart for each collector, all with the same scale, of the last 15 minutes. */
export class Balance {
  #charts = new KeyedList(byID("charts"), makeChart);
  #collectors = [];
  #showsAll = false;

  constructor() {
    byID("measure").addEventListener("change", () => this.#draw());
    byID("more-charts").addEventListener("click", () => {
      this.#showsAll = !this.#showsAll;
      this.#draw();
    });
  }

  show(collectors) {
    this.#collectors = collectors;
    this.#draw();
  }

  #draw() {
    const name = byID("measure").querySelector(":checked").value;
    const lines = history[name];
    const shown = this.#shown(name);
    const highest = Math.max(1e-9, ...this.#collectors.flatMap((collector) => lines.of(collector.name).filter((value) => value != null)));
    const mean = meanOf(this.#collectors.map((collector) => rateOf(collector, name)));
    const end = lines.times.at(-1) ?? 0;
    const span = spans.find((span) => end - (lines.times[0] ?? end) <= span) ?? spans.at(-1);
    put(byID("balance-title"), `Balance, last ${span / 60} minutes`);
    this.#charts.show(shown.map((collector) => collector.name)).forEach((chart, index) => {
      const collector = shown[index];
      showChart(chart, collector, rateOf(collector, name), units[name]);
      setAttribute(chart.line, "d", path(lines.times, lines.of(collector.name), end, span, highest));
      setAttribute(chart.mean, "d", mean == null ? "" : `M0 ${height(mean, highest)}H100`);
    });
    this.#tell(name, highest);
  }

  /** All collectors, or the busiest ones of many, in the agent's order. */
  #shown(name) {
    const more = byID("more-charts");
    more.hidden = this.#collectors.length <= few;
    put(more, this.#showsAll ? `Only the ${few} busiest` : `All ${this.#collectors.length} collectors`);
    if (this.#showsAll || more.hidden) return this.#collectors;
    const busiest = new Set([...this.#collectors].sort((one, other) => (rateOf(other, name) ?? -1) - (rateOf(one, name) ?? -1)).slice(0, few));
    return this.#collectors.filter((collector) => busiest.has(collector));
  }

  #tell(name, highest) {
    const now = balance(this.#collectors, name);
    const weighted = new Set(this.#collectors.map(({ weight }) => weight)).size > 1 ? " by weight" : "";
    put(byID("balance-text"), now == null ? "no traffic" : `max/mean${weighted} ${now.toFixed(2)} · scale 0 to ${short(highest, units[name])}, mean dashed`);
  }
}

function makeChart(name) {
  const space = "http://www.w3.org/2000/svg";
  const part = (kind, attributes) => {
    const node = document.createElementNS(space, kind);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const line = part("path", { class: "line" });
  const mean = part("path", { class: "mean" });
  const drawing = part("svg", { class: "chart tint", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  drawing.append(mean, line);
  const [tag, value] = [nameTag(name), element("span", { class: "value" })];
  return { node: element("li", {}, element("div", {}, tag, value), drawing), tag, value, drawing, line, mean };
}

function showChart(chart, collector, rate, unit) {
  setNameTag(chart.tag, collector.name);
  tint(chart.drawing, collector.name);
  put(chart.value, rate == null ? "–" : short(rate, unit));
}

function meanOf(values) {
  const known = values.filter((value) => value != null);
  return known.length ? known.reduce((total, value) => total + value, 0) / known.length : null;
}

function height(value, highest) {
  return (29 - (28 * value) / highest).toFixed(1);
}

/** A line of at most about 150 points, each the mean of its interval, with gaps for unknown values. */
function path(times, values, end, span, highest) {
  let [text, isDown, slot, total, known] = ["", false, null, 0, 0];
  const flush = () => {
    if (slot === null) return;
    text += known ? `${isDown ? "L" : "M"}${((100 * slot) / points).toFixed(1)} ${height(total / known, highest)}` : "";
    isDown = known > 0;
  };
  times.forEach((time, index) => {
    const place = Math.round((points * (time - end + span)) / span);
    if (place !== slot) {
      flush();
      [slot, total, known] = [place, 0, 0];
    }
    if (values[index] != null) [total, known] = [total + values[index], known + 1];
  });
  flush();
  return text;
}
