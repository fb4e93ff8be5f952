import { addressProblem, isAddress, sentence } from "./address.js";
import { byID, element, put } from "./dom.js";
import { clock, count, duration, plural, short } from "./format.js";
import { agentTime, ask } from "./poll.js";
import { nameTag } from "./tint.js";

/** "Where does this address go?" The page's fragment asks, too: /#198.51.100.7 */
export class Question {
  #field = byID("address");
  #asked = null;
  #shown = "";

  constructor() {
    byID("question").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(this.#field.value.trim().replace(/^\[(.*)\]$/, "$1"));
    });
    addEventListener("hashchange", () => this.#followHash());
    this.#followHash();
  }

  #submit(text) {
    if (!isAddress(text)) return this.#refuse(addressProblem(text));
    if (location.hash === `#${text}`) this.#ask(text);
    else location.hash = text;
  }

  /** Other fragments are positions in the page. */
  #followHash() {
    const text = decoded(location.hash.slice(1));
    if (!/[.:]/.test(text)) return;
    this.#field.value = text;
    if (isAddress(text)) this.#ask(text);
    else this.#refuse(addressProblem(text));
  }

  #refuse(problem) {
    this.#asked = null;
    this.#field.setAttribute("aria-invalid", "true");
    this.#show([problem]);
    byID("answer-details").hidden = true;
  }

  async #ask(address) {
    this.#asked = address;
    this.#field.removeAttribute("aria-invalid");
    this.#show([`Asking for ${address} …`]);
    await this.again();
  }

  /** Refreshes the answer. */
  async again() {
    const address = this.#asked;
    if (!address) return;
    try {
      const { status, value, text } = await ask(`/exporters/${encodeURIComponent(address).replaceAll("%3A", ":")}`);
      if (address !== this.#asked) return;
      if (status === 200 && value) this.#answer(value);
      else this.#show([`The agent answers ${status}: ${value?.error ?? text.trim()}`]);
    } catch (error) {
      if (address === this.#asked) this.#show([`No answer: ${error.message}.`]);
    }
  }

  #answer({ explanation, exporter, session_count: total, sessions }) {
    this.#show(sentence(explanation));
    const details = byID("answer-details");
    details.hidden = false;
    const key = JSON.stringify([explanation, exporter, total, sessions]);
    if (details.dataset.key === key) return;
    details.dataset.key = key;
    const link = element("a", { href: `/exporters/${explanation.address}` }, "as JSON");
    const others = (total ?? 0) - (sessions ?? []).length;
    const rest = others > 0 ? [["more sessions", count(others)]] : [];
    const facts = [...traffic(exporter), ...(sessions ?? []).map(session), ...rest, ["all values", link]];
    details.replaceChildren(ranks(explanation), element("dl", { class: "list" }, ...facts.map(([term, fact]) => element("div", {}, element("dt", {}, term), element("dd", {}, fact)))));
  }

  /** Screen readers speak each change, so it changes only if the text differs. */
  #show(parts) {
    const key = JSON.stringify(parts);
    if (key === this.#shown) return;
    this.#shown = key;
    byID("answer").replaceChildren(...parts.map((part) => (typeof part === "string" ? part : nameTag(part.collector))));
  }
}

/** A % that isn't an escape, like a zone's, stays. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function ranks({ bucket, ranks }) {
  const list = element("ol", { class: "ranks" }, ...ranks.map((name) => element("li", {}, nameTag(name))));
  const title = bucket == null ? "Collectors that take turns" : `Ranks of row ${count(bucket)}`;
  return element("div", {}, element("h3", {}, title), list);
}

function traffic(exporter) {
  if (!exporter) return [["traffic", "none yet, or no longer tracked"]];
  const { udp, tcp, first_seen: first, last_seen: last } = exporter;
  const facts = [["UDP", `${plural(udp.runs, "run")}, ${short(udp.bytes, "B")}`], ["TCP", plural(tcp.runs, "SYN")]];
  return first ? [...facts, ["first seen", clock(first)], ["last seen", clock(last)]] : facts;
}

function session(session) {
  const parts = [session.collector && `at ${session.collector}`, session.up_since && `up ${duration(agentTime() - session.up_since)}`];
  parts.push(`${short(session.bytes_received, "B")} received`);
  if (session.rtt > 0) parts.push(`round trip ${milliseconds(session.rtt)}, minimum ${milliseconds(session.min_rtt)}`);
  return [`session ${session.group}`, parts.filter(Boolean).join(", ")];
}

function milliseconds(seconds) {
  return `${(1000 * seconds).toPrecision(3)} ms`;
}
