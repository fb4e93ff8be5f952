// Checks the typed address, and writes the answer as sentences. Independent of the page.

/** Why the text isn't an address, and what to type; null if it is an address. */
export function addressProblem(text) {
  if (text === "") return "Type the address that an exporter sends from, like 198.51.100.7 or 2001:db8::1.";
  if (text.includes("/")) return `${text} is a prefix: ask for one address of it.`;
  if (text.includes("%")) return `${text} has a zone: leave out the % and the rest.`;
  if (text.includes(":")) return isIPv6(text) ? null : `${text} isn't an IPv6 address: type up to eight groups of hexadecimal digits with colons between them, like 2001:db8::1.`;
  if (/^[\d.]+$/.test(text)) return isIPv4(text) ? null : `${text} isn't an IPv4 address: type four numbers from 0 to 255 with dots between them, like 198.51.100.7.`;
  return `${text} isn't an address: names aren't looked up, neither in the DNS nor in the configuration.`;
}

export function isAddress(text) {
  return addressProblem(text) === null;
}

function isIPv4(text) {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text);
}

function isIPv6(text) {
  return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]/`);
}

/**
 * Where the address goes and why, as parts of a sentence: strings, and {collector: NAME}
 * for names.
 *
 * @param explanation as in GET /exporters/ADDRESS and `explain --json`
 */
export function sentence(explanation) {
  const { address, exporter, collector, why, outcome, ranks } = explanation;
  const who = exporter && exporter !== address ? `${address}, which is ${exporter}, ` : `${address} `;
  const owner = { collector: ranks[0] };
  if (explanation.bucket == null) {
    return [why ? `${who}goes to any collector: the assignment ${why} does not look at addresses.` : `${who}reaches nobody: no collector is usable.`];
  }
  if (outcome === "held") return [`${who}is held for `, { collector }, ", which is absent: its traffic is dropped until the collector registers or the hold is over."];
  if (!collector || outcome === "no_collector") return [`${who}reaches nobody: no collector is usable.`];
  const goes = [`${who}goes to `, { collector }];
  if (why === "session") return [`${who}stays with `, { collector }, ", where it has a BMP session; it goes to ", owner, " when that has ended."];
  if (outcome === "failed_over") return [...goes, ", in place of ", owner, ", which is away."];
  if (why === "failover") return [...goes, ", which keeps it while no other collector is usable."];
  if (why === "pin") return [...goes, ", to which it is pinned."];
  if (why === "alias") return [...goes, ", the owner of its name's row."];
  return [...goes, ", the owner of its row."];
}
