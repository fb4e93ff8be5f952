import { byID, element, put, shape } from "./dom.js";
import { clock } from "./format.js";
import { say } from "./head.js";
import { nameTag } from "./tint.js";

const kinds = {
  registered: { word: "registered", shape: "active", isSpoken: true },
  lost: { word: "lost", shape: "failed", isSpoken: true },
  held: { word: "held", shape: "holding", isSpoken: true },
  failed_over: { word: "failed over", shape: "warning", isSpoken: true },
  stalled: { word: "stalled", shape: "stalled", isSpoken: true },
  resumed: { word: "reads again", shape: "active", isSpoken: true },
  returned: { word: "returned", shape: "active", isSpoken: true },
  moved: { word: "moved", shape: "arrow" },
  new_exporter: { word: "new exporter", shape: "plus" },
};
/** Maximum length of the list; half of it for new exporters, so that a flood of them leaves other events. */
const limit = 200;

/** Live events, newest first. */
export class EventList {
  #list = byID("events");
  #pending = [];
  #unspoken = [];
  #seen = new Set();

  constructor(happened) {
    this.happened = happened;
    this.#makeFilter();
    this.#listen();
  }

  #makeFilter() {
    for (const [kind, { word }] of Object.entries(kinds)) {
      const box = element("input", { type: "checkbox", value: kind, checked: true });
      box.addEventListener("change", () => this.#list.toggleAttribute(`data-no-${kind.replace("_", "-")}`, !box.checked));
      byID("kinds").append(element("label", {}, box, ` ${word}`));
    }
  }

  /** The browser reconnects 3 s after the connection ends, but not after a refusal: then this code does. */
  #listen() {
    const source = new EventSource("/events?after=0");
    source.onopen = () => put(byID("events-contact"), "");
    source.onerror = () => {
      put(byID("events-contact"), "not connected, trying again");
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.#listen(), 5000);
    };
    for (const kind of Object.keys(kinds)) source.addEventListener(kind, ({ data }) => this.#add(JSON.parse(data)));
    source.addEventListener("missed", ({ data }) => this.#list.prepend(element("li", { class: "aside" }, JSON.parse(data).text)));
  }

  /** Events are drawn once a frame, even in a flood. */
  #add(event) {
    const key = `${event.id} ${event.time}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#pending.push(event) === 1) requestAnimationFrame(() => this.#flush());
    if (this.#pending.length > limit) this.#pending.shift();
    if (event.kind !== "new_exporter") this.happened(event);
    if (kinds[event.kind].isSpoken) this.#speakLater(event);
  }

  #flush() {
    this.#list.prepend(...this.#pending.splice(0).reverse().map(item));
    const items = [...this.#list.children];
    const newcomers = items.filter((node) => node.dataset.kind === "new_exporter");
    for (const node of [...newcomers.slice(limit / 2), ...items.slice(limit)]) node.remove();
    if (this.#seen.size > 4 * limit) this.#seen = new Set([...this.#seen].slice(-limit * 2));
  }

  /** At most one announcement in 5 s. */
  #speakLater({ text }) {
    if (this.#unspoken.push(text) > 1) return;
    setTimeout(() => {
      const texts = this.#unspoken.splice(0);
      say(texts.length <= 3 ? texts.join(". ") : `${texts.length} events, the last one: ${texts.at(-1)}`);
    }, 5000);
  }
}

function item({ time, kind, collector, exporter, text }) {
  const { word, shape: name } = kinds[kind];
  const marks = [exporter && [exporter, element("a", { href: `#${exporter}` }, exporter)], collector && [collector, nameTag(collector)]];
  return element("li", { "data-kind": kind },
    element("time", { datetime: new Date(time * 1000).toISOString() }, clock(time)),
    element("span", { class: "kind" }, shape(name), word),
    element("span", { class: "what" }, ...marked(text, marks.filter(Boolean))));
}

/** The text with nodes in place of names; nodes of names that it doesn't contain come first. */
function marked(text, marks) {
  let parts = [text];
  for (const [name, node] of marks) {
    const index = parts.findIndex((part) => typeof part === "string" && wordAt(part, name) >= 0);
    if (index < 0) parts = [node, " ", ...parts];
    else parts.splice(index, 1, parts[index].slice(0, wordAt(parts[index], name)), node, parts[index].slice(wordAt(parts[index], name) + name.length));
  }
  return parts;
}

/** Position of the name as a whole word: c1 isn't in c12. */
function wordAt(text, name) {
  const isPart = (letter) => letter !== undefined && /[\w.:-]/.test(letter);
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const next = text[at + name.length];
    if (!isPart(text[at - 1]) && (!isPart(next) || (/[.:]/.test(next) && !isPart(text[at + name.length + 1])))) return at;
  }
  return -1;
}
