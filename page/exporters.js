import { byID, element, KeyedList, put, setAttribute } from "./dom.js";
import { clock, count, duration, plural, short, unknown } from "./format.js";
import { quantity } from "./grid.js";
import { addExporters, exporterRate } from "./counters.js";
import { agentTime } from "./poll.js";
import { nameTag, setNameTag } from "./tint.js";

const heads = [["Address"], ["Collector"], ["B/s", "n"], ["runs/s", "n rank1"], ["Bytes", "n"], ["Runs", "n rank1"], ["idle", "n rank1"]];

/** The first exporters in the selected order. */
export class ExporterTable {
  #rows = new KeyedList(byID("exporters").tBodies[0], makeExporterRow);

  constructor(changed) {
    const cells = heads.map(([label, kind]) => element("th", { scope: "col", class: kind }, label));
    byID("exporters").tHead.append(element("tr", {}, ...cells));
    byID("order").addEventListener("change", changed);
  }

  get path() {
    return `/exporters?sort=${byID("order").value}&limit=20`;
  }

  /** @param list of GET /exporters; time: seconds when it was read */
  show(list, time) {
    addExporters(list.exporters, time);
    put(byID("tracking"), trackingText(list));
    put(byID("tracked"), count(list.total));
    const rows = this.#rows.show(list.exporters.map(({ address }) => address));
    list.exporters.forEach((exporter, index) => showExporterRow(rows[index], exporter));
  }

  failed(problem) {
    put(byID("tracking"), `Cannot read the exporters: ${problem}.`);
    this.#rows.show([]);
  }
}

function makeExporterRow(address) {
  const tag = nameTag(null);
  const cells = heads.slice(2).map(([, kind]) => element("td", { class: kind }));
  const link = element("a", { href: `#${address}`, title: `Where ${address} goes, and why` }, address);
  return { node: element("tr", {}, element("th", { scope: "row" }, link), element("td", {}, tag), ...cells), tag, cells };
}

function showExporterRow({ tag, cells }, exporter) {
  const { address, collector, udp, tcp } = exporter;
  setNameTag(tag, collector);
  const [byteRate, runRate, bytes, runs, seen] = cells;
  quantity(byteRate, exporterRate(address, "bytes"), "B/s");
  quantity(runRate, exporterRate(address, "runs"), "runs/s");
  quantity(bytes, udp.bytes + tcp.bytes, "B");
  quantity(runs, udp.runs + tcp.runs, `runs, ${count(tcp.runs)} of them SYNs`);
  const age = agentTime() - exporter.last_seen;
  put(seen, exporter.last_seen ? duration(age) : unknown);
  setAttribute(seen, "title", exporter.first_seen ? `first ${clock(exporter.first_seen)}, last ${clock(exporter.last_seen)}` : null);
}

/** How many exporters are tracked, and what tracking has missed. */
export function trackingText({ total, tracking, advice }) {
  if (advice) return `${advice[0].toUpperCase()}${advice.slice(1)}`;
  if (!tracking) return `${plural(total, "exporter")} seen.`;
  const parts = [`${count(total)} tracked, room for ${count(tracking.size)}`];
  if (tracking.untracked.runs) parts.push(`${plural(tracking.untracked.runs, "run")} of untracked exporters`);
  if (tracking.evicted) parts.push(`${plural(tracking.evicted, "idle entry").replace("entrys", "entries")} evicted because the table was full`);
  if (tracking.interval > tracking.configured_interval) parts.push(`an event every ${short(tracking.interval)} s instead of ${short(tracking.configured_interval)} s`);
  if (tracking.events_lost) parts.push(`${plural(tracking.events_lost, "event")} lost`);
  return `${parts.join("; ")}.`;
}
