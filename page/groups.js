import { byID, element, KeyedList, put, setShape, shape } from "./dom.js";
import { quantity } from "./grid.js";
import { outcomeRate } from "./counters.js";
import { count } from "./format.js";

const outcomes = [
  { key: "selected", label: "selected", explanation: "reached the owner of their row" },
  { key: "failed_over", label: "failed over", explanation: "reached another rank, because the owner is absent" },
  { key: "held", label: "held", explanation: "dropped: their collector is absent, for less than the hold", isLoss: true },
  { key: "no_collector", label: "no collector", explanation: "dropped: no collector was usable", isLoss: true },
  { key: "bad_packet", label: "bad packet", explanation: "dropped: no source address could be read", isLoss: true },
];

/** The outcomes of the program's runs, by group. */
export class GroupTable {
  #rows = new KeyedList(byID("groups").tBodies[0], makeGroupRow);

  constructor() {
    const heads = outcomes.flatMap(({ label, explanation }, index) => [
      element("th", { scope: "col", class: "n", title: `${explanation}, per second` }, `${label}/s`),
      element("th", { scope: "col", class: `n rank${index ? 2 : 1}`, title: `${explanation}, since the pool was made` }, "total"),
    ]);
    const first = ["Group", "Address", "Attached"].map((head) => element("th", { scope: "col" }, head));
    byID("groups").tHead.append(element("tr", {}, ...first, ...heads));
  }

  show(groups) {
    const rows = this.#rows.show(groups.map(({ name }) => name));
    groups.forEach((group, index) => showGroupRow(rows[index], group));
  }
}

function makeGroupRow(name) {
  const cells = [...outcomes, ...outcomes].map((_, index) => element("td", { class: `n${index % 2 ? ` rank${index > 1 ? 2 : 1}` : ""}` }));
  const address = element("td");
  const attached = element("span", { class: "state" }, shape("active"), element("span"));
  return { node: element("tr", {}, element("th", { scope: "row" }, name), address, element("td", {}, attached), ...cells), address, attached, cells };
}

function showGroupRow(row, group) {
  const bound = group.interface ? `${group.address}%${group.interface}` : group.address;
  const host = group.address.includes(":") ? `[${bound}]` : bound;
  put(row.address, `${group.protocol} ${host}:${group.port}`);
  row.node.dataset.state = group.attached ? "active" : "failed";
  setShape(row.attached.firstChild, group.attached ? "active" : "failed");
  put(row.attached.lastChild, group.attached ? "yes" : "no");
  outcomes.forEach(({ key, isLoss }, index) => {
    const rate = outcomeRate(group, key);
    const total = count(group.outcomes[key]);
    quantity(row.cells[2 * index], rate, "", `; since the pool was made: ${total}`);
    row.cells[2 * index].classList.toggle("alarm", isLoss === true && rate > 0);
    put(row.cells[2 * index + 1], total);
  });
}
