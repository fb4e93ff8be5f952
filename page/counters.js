import { Rates, History, maxToMean, sum } from "./rates.js";

// The counters and rates of the agent's answers over time.
export const poolRates = new Rates();
export const exporterRates = new Rates();
export const history = { runs: new History(), bytes: new History() };

const key = (...parts) => parts.join("\n");

/** @param time seconds when the status was read */
export function addStatus(status, time) {
  const counters = new Map();
  for (const collector of status.collectors) {
    for (const [group, member] of Object.entries(collector.groups)) {
      for (const name of ["runs", "bytes", "drops"]) counters.set(key("c", collector.name, group, name), member[name]);
    }
  }
  for (const group of status.groups) {
    for (const [name, value] of Object.entries(group.outcomes)) counters.set(key("g", group.name, name), value);
  }
  poolRates.add(time, counters);
  for (const [name, lines] of Object.entries(history)) {
    lines.add(time, new Map(status.collectors.map((collector) => [collector.name, rateOf(collector, name)])));
  }
}

export function addExporters(exporters, time) {
  const counters = new Map();
  for (const { address, udp, tcp } of exporters) {
    for (const name of ["runs", "bytes"]) counters.set(key(address, name), udp[name] + tcp[name]);
  }
  exporterRates.add(time, counters);
}

/** Per second: "runs", "bytes" or "drops" of a collector, in one group or in all. */
export function rateOf(collector, name, group) {
  const groups = group === undefined ? Object.keys(collector.groups) : [group];
  return sum(groups.map((group) => poolRates.of(key("c", collector.name, group, name))));
}

/** The total count of the same. */
export function totalOf(collector, name) {
  return sum(Object.values(collector.groups).map((member) => member[name]));
}

export function outcomeRate(group, name) {
  return poolRates.of(key("g", group.name, name));
}

export function exporterRate(address, name) {
  return exporterRates.of(key(address, name));
}

/** max/mean of the present weighted load, among the collectors that receive their share. */
export function balance(collectors, name) {
  return maxToMean(collectors.filter(({ share }) => share > 0).map((collector) => {
    const rate = rateOf(collector, name);
    return rate == null ? null : rate / collector.weight;
  }));
}
