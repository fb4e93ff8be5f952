import { colour } from "./palette.js";
import { element, put, setAttribute } from "./dom.js";

// Collectors' colours, by slot: constant while a collector is in the pool.
const slots = new Map();

/** @param collectors of GET /status */
export function learnSlots(collectors) {
  if (collectors.length === slots.size && collectors.every(({ name, slot }) => slots.get(name) === slot)) return;
  slots.clear();
  for (const { name, slot } of collectors) slots.set(name, slot);
  for (const tag of document.querySelectorAll(".collector")) tint(tag.firstChild, tag.lastChild.textContent);
}

/** Gives a node the colour of a collector, in both schemes, as --tint (page.css). */
export function tint(node, name) {
  const slot = slots.get(name);
  setAttribute(node, "data-slot", slot == null ? null : String(slot));
  for (const scheme of ["light", "dark"]) {
    if (slot == null) node.style.removeProperty(`--${scheme}`);
    else node.style.setProperty(`--${scheme}`, colour(slot, scheme));
  }
}

/** A collector's name with its colour before it. */
export function nameTag(name) {
  const tag = element("span", { class: "collector" }, element("span", { class: "swatch tint", "aria-hidden": "true" }), element("span", { class: "label" }));
  setNameTag(tag, name);
  return tag;
}

export function setNameTag(tag, name) {
  put(tag.lastChild, name ?? "–");
  tint(tag.firstChild, name);
}
