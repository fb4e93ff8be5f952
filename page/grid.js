import { element, put, setAttribute } from "./dom.js";
import { scaled } from "./format.js";

// Table cells, and heads that sort.

/**
 * A figure with its SI prefix; the exact value is in the title.
 *
 * @param suffix end of the title, after the value or "not known yet"
 */
export function quantity(cell, value, unit = "", suffix = "") {
  if (!cell.firstElementChild) cell.replaceChildren(element("span", { class: "number" }), element("span", { class: "prefix" }));
  const [number, prefix] = scaled(value);
  put(cell.firstElementChild, number);
  put(cell.lastElementChild, value == null ? "" : prefix);
  setAttribute(cell, "title", `${value == null ? "not known yet" : `${value.toLocaleString("en", { maximumFractionDigits: 2 })}${unit && ` ${unit}`}`}${suffix}`);
}

/**
 * Column heads; heads with a `value` are buttons that sort by it.
 *
 * @param columns [{key, label, explanation, value, isNumber, rank}]; rank: the higher, the sooner it is
 *   left out on narrow screens
 */
export class SortedColumns {
  #key = null;
  #isDescending = false;

  constructor(head, columns, changed) {
    this.columns = columns;
    this.cells = columns.map((column) => this.#head(column, changed));
    head.replaceChildren(element("tr", {}, ...this.cells));
  }

  #head(column, changed) {
    const attributes = { scope: "col", class: columnClass(column), title: column.explanation };
    if (!column.value) return element("th", attributes, column.label);
    const button = element("button", { type: "button" }, column.label, element("span", { class: "order", "aria-hidden": "true" }));
    button.addEventListener("click", () => {
      this.#choose(column);
      changed();
    });
    return element("th", attributes, button);
  }

  /** The first click puts values that need attention first, the second reverses, the third restores the agent's order. */
  #choose(column) {
    const begins = column.isNumber === true;
    if (this.#key !== column.key) [this.#key, this.#isDescending] = [column.key, begins];
    else if (this.#isDescending === begins) this.#isDescending = !begins;
    else this.#key = null;
    this.columns.forEach((other, index) => {
      const order = other.key === this.#key ? (this.#isDescending ? "descending" : "ascending") : null;
      setAttribute(this.cells[index], "aria-sort", order);
    });
  }

  sorted(items) {
    const column = this.columns.find(({ key }) => key === this.#key);
    if (!column) return items;
    const sign = this.#isDescending ? -1 : 1;
    return items.map((item, index) => ({ item, index, value: column.value(item) })).sort((one, other) => sign * compare(one.value, other.value) || one.index - other.index).map(({ item }) => item);
  }
}

export function columnClass(column) {
  return [column.isNumber ? "n" : "", column.rank ? `rank${column.rank}` : ""].join(" ").trim() || null;
}

function compare(one, other) {
  if (typeof one === "string") return one.localeCompare(other, "en", { numeric: true });
  return (one ?? -1) - (other ?? -1);
}
