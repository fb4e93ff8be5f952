// Rates of cumulative counters. Independent of the page.

/**
 * The last samples of many counters, and the rate of each.
 *
 * A counter that decreases has started again (another pool of that name, or an evicted
 * entry that returned). Its earlier samples are discarded, so that no rate is negative
 * or mixes two counters.
 */
export class Rates {
  #samples = [];

  /**
   * @param window seconds over which a rate is the mean
   * @param gap seconds between samples from which on they give no rate: a mean over the
   *   time that the page was hidden isn't the present rate
   */
  constructor(window = 10, gap = 15) {
    this.window = window;
    this.gap = gap;
  }

  /** @param counters Map of key -> cumulative count; time in seconds, ascending. */
  add(time, counters) {
    const last = this.#samples.at(-1);
    if (last && time - last.time > this.gap) this.#samples = [];
    this.#samples.push({ time, counters });
    while (this.#samples.length > 2 && time - this.#samples[0].time > this.window) this.#samples.shift();
  }

  /** Per second; null without two samples. */
  of(key) {
    let index = this.#samples.length - 1;
    const newest = this.#samples[index];
    if (newest?.counters.get(key) == null) return null;
    while (index > 0 && this.#grows(key, index)) index -= 1;
    const oldest = this.#samples[index];
    const time = newest.time - oldest.time;
    return time > 0 ? (newest.counters.get(key) - oldest.counters.get(key)) / time : null;
  }

  #grows(key, index) {
    const before = this.#samples[index - 1].counters.get(key);
    return before != null && before <= this.#samples[index].counters.get(key);
  }
}

/** The sum of the known values; null if there are none. */
export function sum(values) {
  return values.reduce((total, value) => (value == null ? total : (total ?? 0) + value), null);
}

/** The highest value over the mean: 1 is even; null without traffic. */
export function maxToMean(values) {
  const known = values.filter((value) => value != null);
  const total = sum(known);
  return total ? Math.max(...known) / (total / known.length) : null;
}

/** Values of many names at the same moments, for a bounded time. */
export class History {
  #times = [];
  #values = new Map();

  /** @param span seconds that are kept; gap: seconds between samples from which on a line has a gap */
  constructor(span = 900, gap = 15) {
    this.span = span;
    this.gap = gap;
  }

  get times() {
    return this.#times;
  }

  of(name) {
    return this.#values.get(name) ?? [];
  }

  /** @param values Map of name -> number or null; names that it lacks are removed */
  add(time, values) {
    if (this.#times.length && time - this.#times.at(-1) > this.gap) this.#append(time - this.gap / 2, new Map());
    for (const name of this.#values.keys()) if (!values.has(name)) this.#values.delete(name);
    for (const name of values.keys()) {
      if (!this.#values.has(name)) this.#values.set(name, new Array(this.#times.length).fill(null));
    }
    this.#append(time, values);
    const old = this.#times.findIndex((earlier) => time - earlier <= this.span);
    if (old > 0) for (const list of [this.#times, ...this.#values.values()]) list.splice(0, old);
  }

  #append(time, values) {
    this.#times.push(time);
    for (const [name, list] of this.#values) list.push(values.get(name) ?? null);
  }
}
