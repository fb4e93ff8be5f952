import { element, KeyedList, put, setAttribute, setShape, shape } from "./dom.js";
import { count, duration, percent, plural, short, unknown } from "./format.js";
import { columnClass, quantity } from "./grid.js";
import { nameTag, setNameTag, tint } from "./tint.js";
import { rateOf, totalOf } from "./counters.js";

const groupHeads = ["Group", "Socket", "runs/s", "B/s", "Runs", "Bytes", "Queue", "drops/s", "Drops"];

/** A collector in the table: its row, and a second row that shows its groups on demand. */
export class CollectorRows {
  constructor(name, columns) {
    this.name = name;
    const id = `groups-of-${encodeURIComponent(name)}`;
    this.tag = nameTag(name);
    this.button = element("button", { type: "button", class: "opener", "aria-expanded": "false", "aria-controls": id, title: `Groups of ${name}` }, this.tag);
    this.button.addEventListener("click", () => this.#toggle());
    this.cells = Object.fromEntries(columns.slice(1).map((column) => [column.key, element("td", { class: columnClass(column) })]));
    const head = element("th", { scope: "row" }, this.button);
    this.details = element("tr", { id, class: "details", hidden: true }, element("td", { colspan: String(columns.length) }, element("div")));
    this.node = element("tbody", {}, element("tr", {}, head, ...Object.values(this.cells)), this.details);
    this.#makeState();
    this.#makeShare();
  }

  #makeState() {
    this.shape = shape("empty");
    [this.word, this.left, this.rest] = [element("span"), element("span", { class: "hold" }), element("span", { class: "rest" })];
    this.cells.state.append(element("span", { class: "state" }, this.shape, this.word, this.left), this.rest);
  }

  #makeShare() {
    this.bar = element("span", { class: "bar tint", "aria-hidden": "true" });
    this.part = element("span");
    this.cells.share.append(element("span", { class: "track", "aria-hidden": "true" }, this.bar), this.part);
  }

  /** @param groups of GET /status; largest: the largest share, whose bar is full */
  show(collector, groups, largest) {
    setNameTag(this.tag, collector.name);
    this.#showState(collector);
    tint(this.bar, collector.name);
    this.bar.style.setProperty("--part", `${(100 * collector.share) / (largest || 1)}%`);
    put(this.part, percent(collector.share));
    this.#showFigures(collector);
    if (!this.details.hidden) this.#showGroups(collector, groups);
    [this.collector, this.groups] = [collector, groups];
  }

  #showState(collector) {
    this.node.dataset.state = collector.state;
    setShape(this.shape, collector.state);
    const isAlso = collector.drain && collector.state !== "draining";
    put(this.word, collector.state + (isAlso ? ", draining" : "") + (collector.weight === 0 ? ", leaves" : ""));
    if (collector.hold_left == null) put(this.left, "");
    put(this.rest, collector.drain ? drainText(collector.drain) : "");
  }

  showHold(seconds) {
    put(this.left, duration(Math.ceil(seconds)));
  }

  #showFigures(collector) {
    const { cells } = this;
    quantity(cells.runs_rate, rateOf(collector, "runs"), "runs/s");
    quantity(cells.bytes_rate, rateOf(collector, "bytes"), "B/s");
    quantity(cells.queue, totalOf(collector, "queued_bytes"), "B");
    const waiting = totalOf(collector, "queued_connections");
    if (waiting) cells.queue.dataset.also = `+ ${plural(waiting, "connection")}`;
    else delete cells.queue.dataset.also;
    for (const name of ["drops_rate", "drops"]) {
      const value = name === "drops" ? totalOf(collector, "drops") : rateOf(collector, "drops");
      quantity(cells[name], value);
      cells[name].classList.toggle("alarm", name === "drops_rate" && value > 0);
    }
    put(cells.runs, count(totalOf(collector, "runs")));
    quantity(cells.bytes, totalOf(collector, "bytes"), "B");
    put(cells.weight, String(collector.weight));
    put(cells.pid, collector.pid == null ? unknown : String(collector.pid));
  }

  #toggle() {
    const isOpen = this.details.hidden;
    this.details.hidden = !isOpen;
    setAttribute(this.button, "aria-expanded", String(isOpen));
    if (isOpen) this.#showGroups(this.collector, this.groups);
  }

  /** All values of a collector, including those without a column on narrow screens. */
  #showGroups(collector, groups) {
    if (!this.body) this.#makeGroups();
    put(this.facts, `weight ${collector.weight} · PID ${collector.pid ?? unknown} · slot ${collector.slot} · ${percent(collector.share)} of the table`);
    const rows = this.body.show(groups.map(({ name }) => name));
    groups.forEach((group, index) => this.#showGroup(collector, group, rows[index].cells));
  }

  #makeGroups() {
    const heads = groupHeads.map((head, index) => element("th", { scope: "col", class: index > 1 ? "n" : null }, head));
    const body = element("tbody");
    this.facts = element("p", { class: "aside" });
    const caption = element("caption", { class: "spoken" }, `${this.name} in each group`);
    const table = element("table", { class: "data" }, caption, element("thead", {}, element("tr", {}, ...heads)), body);
    this.details.firstChild.firstChild.append(this.facts, table);
    this.body = new KeyedList(body, (name) => {
      const cells = groupHeads.slice(1).map((_, index) => element("td", { class: index > 0 ? "n" : null }));
      return { node: element("tr", {}, element("th", { scope: "row" }, name), ...cells), cells };
    });
  }

  #showGroup(collector, group, [socket, runRate, byteRate, runs, bytes, queue, dropRate, drops]) {
    const member = collector.groups[group.name];
    if (!member) return;
    put(socket, member.cookie == null ? "none" : "there");
    quantity(runRate, rateOf(collector, "runs", group.name), "runs/s");
    quantity(byteRate, rateOf(collector, "bytes", group.name), "B/s");
    put(runs, count(member.runs));
    put(bytes, count(member.bytes));
    put(queue, member.queued_connections == null ? short(member.queued_bytes, "B") : plural(member.queued_connections, "connection"));
    quantity(dropRate, rateOf(collector, "drops", group.name));
    put(drops, count(member.drops));
  }
}

/** What a draining collector still has. */
export function drainText(drain) {
  const parts = [
    drain.sessions && plural(drain.sessions, "BMP session"), drain.rows && plural(drain.rows, "row"),
    drain.queued_bytes && `${short(drain.queued_bytes, "B")} unread`,
    drain.queued_connections && `${plural(drain.queued_connections, "connection")} to accept`,
  ].filter(Boolean);
  return parts.length ? `still has ${parts.join(", ")}` : "has nothing left";
}
