// Makes and changes nodes. Names come from the network: they become text only, never markup.

/** An element by its name, attributes and children (nodes or strings). */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value != null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

export function byID(id) {
  return document.getElementById(id);
}

/** Sets a node's text, if it differs. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value == null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** A use of a shape in page.html. */
export function shape(name) {
  const space = "http://www.w3.org/2000/svg";
  const node = document.createElementNS(space, "svg");
  node.setAttribute("class", "shape");
  node.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  node.append(use);
  setShape(node, name);
  return node;
}

export function setShape(node, name) {
  setAttribute(node.firstChild, "href", `#shape-${name}`);
}

/** Children of a parent by key: makes new ones, removes those without a key, and orders them. */
export class KeyedList {
  #entries = new Map();

  /**
   * @param make makes {node, …} for a key
   * @param fixed number of the parent's children before them
   */
  constructor(parent, make, fixed = 0) {
    this.parent = parent;
    this.make = make;
    this.fixed = fixed;
  }

  /** @returns the entries of the keys, in their order */
  show(keys) {
    const wanted = new Set(keys);
    for (const [key, entry] of this.#entries) {
      if (wanted.has(key)) continue;
      entry.node.remove();
      this.#entries.delete(key);
    }
    let place = this.parent.children[this.fixed] ?? null;
    return keys.map((key) => {
      const entry = this.#entries.get(key) ?? this.make(key);
      this.#entries.set(key, entry);
      if (entry.node === place) place = place.nextElementSibling;
      else this.parent.insertBefore(entry.node, place);
      return entry;
    });
  }

  entry(key) {
    return this.#entries.get(key);
  }
}
