import { byID, element } from "./dom.js";

/** Single-key commands, and the dialog that lists them. */
export class Keys {
  #box = byID("keys-on");

  /** @param actions {key: [description, function]} */
  constructor(actions) {
    this.actions = { ...actions, "?": ["this list", () => this.#open()] };
    byID("keys-list").append(...Object.entries(this.actions).map(([key, [text]]) => element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, text))));
    byID("help").addEventListener("click", () => this.#open());
    this.#box.checked = kept() !== "off";
    this.#box.addEventListener("change", () => keep(this.#box.checked ? "on" : "off"));
    addEventListener("keydown", (event) => this.#press(event));
  }

  #open() {
    byID("keys").showModal();
  }

  #press(event) {
    const isElsewhere = event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input:not([type=checkbox],[type=radio]), select, textarea, dialog");
    const action = this.actions[event.key];
    if (!action || isElsewhere || !this.#box.checked) return;
    event.preventDefault();
    action[1]();
  }
}

/** Null also if the browser gives the page no storage. */
function kept() {
  try {
    return localStorage.getItem("keys");
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    localStorage.setItem("keys", value);
  } catch {
    // The setting then lasts until the page is loaded again.
  }
}

/** Scrolls a heading, a table or a field to the top, and focuses it. */
export function goTo(id) {
  const node = byID(id);
  node.focus({ preventScroll: true });
  node.scrollIntoView({ block: "center" });
}
