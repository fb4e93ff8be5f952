import { byID, KeyedList } from "./dom.js";
import { SortedColumns } from "./grid.js";
import { rateOf, totalOf } from "./counters.js";
import { CollectorRows } from "./collector.js";

const states = ["failed", "stalled", "holding", "queueing", "unverified", "empty", "draining", "active"];
const sinceItCame = "since its name came to the pool";

const columns = [
  { key: "name", label: "Collector", value: (collector) => collector.name },
  { key: "state", label: "State", value: (collector) => states.indexOf(collector.state) },
  { key: "share", label: "Share", isNumber: true, value: (collector) => collector.share, explanation: "part of the table's rows that it owns" },
  { key: "runs_rate", label: "runs/s", isNumber: true, value: (collector) => rateOf(collector, "runs") },
  { key: "bytes_rate", label: "B/s", isNumber: true, value: (collector) => rateOf(collector, "bytes") },
  { key: "queue", label: "Queue", isNumber: true, rank: 1, value: (collector) => totalOf(collector, "queued_bytes"), explanation: "bytes not yet read (UDP), connections not yet accepted (TCP)" },
  { key: "drops_rate", label: "drops/s", isNumber: true, rank: 1, value: (collector) => rateOf(collector, "drops"), explanation: "datagrams and connections that its sockets had no room for" },
  { key: "drops", label: "Drops", isNumber: true, rank: 2, value: (collector) => totalOf(collector, "drops") },
  { key: "runs", label: "Runs", isNumber: true, rank: 3, value: (collector) => totalOf(collector, "runs"), explanation: sinceItCame },
  { key: "bytes", label: "Bytes", isNumber: true, rank: 3, value: (collector) => totalOf(collector, "bytes"), explanation: sinceItCame },
  { key: "weight", label: "Weight", isNumber: true, rank: 3, value: (collector) => collector.weight },
  { key: "pid", label: "PID", isNumber: true, rank: 3, value: (collector) => collector.pid ?? 0 },
];

/** The collectors of the pool and, on demand, the values of each in each group. */
export class CollectorTable {
  #table = byID("collectors");
  #heads = new SortedColumns(this.#table.tHead, columns, () => this.#arrange(true));
  #rows = new KeyedList(this.#table, (name) => new CollectorRows(name, columns), 2);
  #status = null;
  #readAt = 0;
  #names = [];

  /** @param readAt performance.now() when the answer came */
  show(status, readAt) {
    [this.#status, this.#readAt] = [status, readAt];
    this.#arrange(false);
  }

  /** Rows don't move under the pointer or the keyboard's focus, unless the user asks for it. */
  #arrange(isAsked) {
    if (!this.#status) return;
    const sorted = this.#heads.sorted(this.#status.collectors);
    const byName = new Map(sorted.map((collector) => [collector.name, collector]));
    const isSame = this.#names.length === byName.size && this.#names.every((name) => byName.has(name));
    if (isAsked || !isSame || !this.#table.matches(":hover, :focus-within")) this.#names = [...byName.keys()];
    const largest = Math.max(...sorted.map(({ share }) => share));
    for (const rows of this.#rows.show(this.#names)) rows.show(byName.get(rows.name), this.#status.groups, largest);
    this.#table.toggleAttribute("data-many", sorted.length > 24);
    this.countDown();
  }

  /** The remaining time of each hold, by this machine's clock. */
  countDown() {
    for (const collector of this.#status?.collectors ?? []) {
      const left = holdLeft(collector, this.#readAt);
      if (left != null) this.#rows.entry(collector.name)?.showHold(left);
    }
  }
}

/** Seconds, or null for a collector that isn't held. */
export function holdLeft(collector, readAt) {
  return collector.hold_left == null ? null : Math.max(0, collector.hold_left - (performance.now() - readAt) / 1000);
}
