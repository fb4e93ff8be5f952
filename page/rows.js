// Reads GET /table. Independent of the page.

/** Decodes base64 with a byte for each cell. */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/**
 * Columns of a picture of the table. Each has the bands of its cells, sorted by owner and
 * then by present collector, so that a band is one collector's part.
 *
 * @param owners a slot for each cell; now: the slot that each cell is with, or is held for
 * @returns for each column a list of [owner, now, count]
 */
export function columnsOf(owners, now, columnCount) {
  const columns = [];
  for (let column = 0; column < columnCount; column += 1) {
    const [start, end] = [0, 1].map((step) => Math.round(((column + step) * owners.length) / columnCount));
    columns.push(bandsOf(owners, now, start, end));
  }
  return columns;
}

function bandsOf(owners, now, start, end) {
  const counts = new Map();
  for (let cell = start; cell < end; cell += 1) {
    const pair = owners[cell] * 256 + now[cell];
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  return [...counts].sort(([one], [other]) => one - other).map(([pair, count]) => [pair >> 8, pair & 255, count]);
}

/** A sentence about the state of the table's rows. */
export function rowsSentence(table) {
  if (table.now == null) return `A row is a turn, and collectors take turns (${table.assignment}).`;
  const parts = [];
  const total = (name) => table.collectors.reduce((sum, collector) => sum + collector[name], 0);
  const [elsewhere, waiting, lost] = [total("served_of_others"), total("waiting"), total("lost")];
  const rows = (number) => `${number.toLocaleString("en")} ${number === 1 ? "row" : "rows"}`;
  if (waiting) parts.push(`${rows(waiting)} ${waiting === 1 ? "is held for its collector" : "are held for their collectors"}`);
  if (elsewhere) parts.push(`${rows(elsewhere)} ${elsewhere === 1 ? "is" : "are"} with another collector than ${elsewhere === 1 ? "its owner" : "their owners"}`);
  if (lost) parts.push(`${rows(lost)} ${lost === 1 ? "reaches" : "reach"} nobody`);
  return parts.length ? `${parts.join("; ")}.` : `All ${rows(table.table_size)} are with their owners.`;
}
