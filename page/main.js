import { Balance } from "./balance.js";
import { CollectorTable } from "./collectors.js";
import { addStatus } from "./counters.js";
import { byID, put, setAttribute } from "./dom.js";
import { EventList } from "./events.js";
import { ExporterTable } from "./exporters.js";
import { GroupTable } from "./groups.js";
import { Contact, Head } from "./head.js";
import { Keys, goTo } from "./keys.js";
import { ask, read, Rounds, setAgentTime } from "./poll.js";
import { Question } from "./question.js";
import { Strip } from "./strip.js";
import { learnSlots } from "./tint.js";

const contact = new Contact();
const head = new Head();
const collectors = new CollectorTable();
const strip = new Strip();
const charts = new Balance();
const groups = new GroupTable();
const question = new Question();
const rounds = new Rounds(2000, round);
const exporters = new ExporterTable(() => rounds.now());
/** The last answer of GET /table, with the collectors' states and the time of that moment. */
let [table, tableKey, tableTime] = [null, "", -Infinity];

async function round() {
  try {
    await showPool();
  } catch (error) {
    contact.failed(error.message);
    return;
  }
  try {
    exporters.show(await read(exporters.path), performance.now() / 1000);
  } catch (error) {
    exporters.failed(error.message);
  }
  await question.again();
}

async function showPool() {
  const status = await read("/status");
  const now = performance.now();
  setAgentTime(status.time);
  addStatus(status, now / 1000);
  learnSlots(status.collectors);
  const health = (await ask("/healthz")).value;
  contact.answered();
  collectors.show(status, now);
  groups.show(status.groups);
  charts.show(status.collectors);
  await showTable(status, now);
  head.show(status, health ?? { ok: false, reasons: ["GET /healthz returned no JSON"] }, table);
}

/** The table is large and changes rarely: read after events, and twice a minute. */
async function showTable(status, now) {
  const key = JSON.stringify([status.table_size, status.assignment, status.collectors.map(({ name, state, share }) => [name, state, share])]);
  if (key === tableKey && now - tableTime < 30_000) return;
  try {
    table = await read("/table");
    [tableKey, tableTime] = [key, now];
    strip.show(table);
  } catch (error) {
    put(byID("strip-text"), `Cannot read the rows: ${error.message}.`);
  }
}

function togglePause() {
  rounds.isPaused = !rounds.isPaused;
  setAttribute(byID("pause"), "aria-pressed", String(rounds.isPaused));
  contact.tick(rounds.isPaused);
}

function chooseMeasure(value) {
  byID("measure").querySelector(`[value=${value}]`).click();
}

new EventList(() => {
  tableKey = "";
});
new Keys({
  "/": ["ask for an address", () => goTo("address")],
  c: ["to the collectors", () => goTo("collectors-title")],
  x: ["to the exporters", () => goTo("order")],
  e: ["to the events", () => goTo("events")],
  b: ["balance by bytes", () => chooseMeasure("bytes")],
  r: ["balance by runs", () => chooseMeasure("runs")],
  p: ["pause, or continue", togglePause],
});
byID("pause").addEventListener("click", togglePause);
put(byID("zone"), Intl.DateTimeFormat().resolvedOptions().timeZone);
setInterval(() => {
  contact.tick(rounds.isPaused);
  if (!contact.isStale && !rounds.isPaused) collectors.countDown();
}, 500);
rounds.run();
