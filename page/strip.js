import { byID, element, KeyedList, put } from "./dom.js";
import { count, percent } from "./format.js";
import { colour } from "./palette.js";
import { bytesOf, columnsOf, rowsSentence } from "./rows.js";
import { nameTag, setNameTag } from "./tint.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** The rows of the table in the colours of their owners and of their present collectors. */
export class Strip {
  #columns = null;
  #standings = new Map();
  #legend = new KeyedList(byID("legend"), (name) => ({ node: element("li", {}, nameTag(name)) }));
  #rows = new KeyedList(byID("strip-table").tBodies[0], makeStripRow);

  constructor() {
    dark.addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(byID("strip-now"));
  }

  /** @param table of GET /table */
  show(table) {
    const owners = bytesOf(table.owners);
    this.#columns = columnsOf(owners, table.now == null ? owners : bytesOf(table.now), 64);
    this.#standings = new Map(table.collectors.map(({ slot, standing }) => [slot, table.now == null ? "usable" : standing]));
    put(byID("strip-text"), rowsSentence(table));
    const names = table.collectors.map(({ name }) => name);
    for (const [index, { node }] of this.#legend.show(names.slice(0, 40)).entries()) setNameTag(node.firstChild, names[index]);
    this.#rows.show(names).forEach((row, index) => showStripRow(row, table.collectors[index], table));
    this.#draw();
  }

  #draw() {
    if (!this.#columns) return;
    const scheme = dark.matches ? "dark" : "light";
    drawStrip(byID("strip-now"), this.#columns, (owner, now) => this.#fill(owner, now, scheme));
    drawStrip(byID("strip-owner"), this.#columns, (owner) => ({ colour: this.#standings.has(owner) ? colour(owner, scheme) : "transparent" }));
  }

  /** Held rows are hatched in their collector's colour; rows that reach no collector stay empty. */
  #fill(owner, now, scheme) {
    const standing = this.#standings.get(now);
    if (standing === undefined || standing === "away") return { colour: "transparent" };
    return { colour: colour(now, scheme), isHatched: standing === "held", isDotted: standing === "usable" && owner !== now };
  }
}

function drawStrip(canvas, columns, fill) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
  if (!width || !height) return;
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const patterns = new Map();
  columns.forEach((bands, column) => {
    const [left, right] = [0, 1].map((step) => Math.round(((column + step) * width) / columns.length));
    const total = bands.reduce((sum, band) => sum + band[2], 0);
    let from = 0;
    for (const [owner, now, rows] of bands) {
      const [top, bottom] = [from, from + rows].map((row) => (row * height) / total);
      context.fillStyle = styleOf(fill(owner, now), context, patterns, scale);
      context.fillRect(left, top, right - left - Math.ceil(scale / 2), bottom - top);
      from += rows;
    }
  });
}

function styleOf({ colour, isHatched, isDotted }, context, patterns, scale) {
  if (!isHatched && !isDotted) return colour;
  const key = `${colour}${isHatched}`;
  if (!patterns.has(key)) patterns.set(key, context.createPattern(isHatched ? hatch(colour, scale) : dots(colour, scale), "repeat"));
  return patterns.get(key);
}

/** Thin lines: rows that are held for a collector. */
function hatch(colour, scale) {
  return tile(Math.round(6 * scale), (context, size) => {
    context.strokeStyle = colour;
    context.lineWidth = size / 5;
    context.beginPath();
    for (const shift of [-size, 0, size]) {
      context.moveTo(shift - 1, size + 1);
      context.lineTo(shift + size + 1, -1);
    }
    context.stroke();
  });
}

/** Filled, with gaps: rows at a collector that isn't the owner. */
function dots(colour, scale) {
  return tile(Math.round(5 * scale), (context, size) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, size, size);
    context.clearRect(0, 0, Math.ceil(size / 3), Math.ceil(size / 3));
  });
}

function tile(size, paint) {
  const canvas = element("canvas", { width: String(size), height: String(size) });
  paint(canvas.getContext("2d"), size);
  return canvas;
}

function makeStripRow(name) {
  const tag = nameTag(name);
  const cells = Array.from({ length: 5 }, () => element("td", { class: "n" }));
  return { node: element("tr", {}, element("th", { scope: "row" }, tag), ...cells), tag, cells };
}

function showStripRow({ tag, cells }, collector, table) {
  setNameTag(tag, collector.name);
  const { owned, served, served_of_others: ofOthers, waiting } = collector;
  const texts = [count(owned), percent(owned / table.table_size), count(served), count(ofOthers), count(waiting)];
  texts.forEach((text, index) => put(cells[index], text));
}
