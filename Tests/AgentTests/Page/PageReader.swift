import PoolReport
import TelemetryLab
import TestSupport

@testable import AgentCore

/// The page's content, read from its nodes.
struct PageReader {
    let browser: Browser
    static let address = "http://127.0.0.1:\(StatusClient.Place.port)/"

    struct Collector: Decodable {
        let name: String
        let state: String
        let share: String
        let runs: String
        let bytes: String
        let drops: String
        let weight: String
        let pid: String
    }

    /// The table of collectors, in the order of its rows.
    func collectors() throws -> [Collector] {
        try browser.evaluate(
            """
            return [...document.querySelectorAll("#collectors > tbody > tr:first-child")].map((row) => {
              const [name, state, share, , , , , drops, runs, bytes, weight, pid] = row.cells;
              return { name: name.textContent, state: state.querySelector(".state span").textContent, share: share.textContent,
                runs: runs.textContent, bytes: bytes.title, drops: drops.title, weight: weight.textContent, pid: pid.textContent };
            });
            """)
    }

    /// Nil: it isn't shown.
    func state(of collector: String) throws -> String? {
        try collectors().first { $0.name == collector }?.state
    }

    /// Cells of a table's body, row by row.
    func cells(_ selector: String) throws -> [[String]] {
        try browser.evaluate(
            """
            return [...document.querySelectorAll("\(selector)")].map((row) => [...row.cells].map((cell) => cell.title ? `${cell.textContent}|${cell.title}` : cell.textContent));
            """)
    }

    /// Empty if it isn't visible.
    func text(_ selector: String) throws -> String {
        try browser.text(
            "const node = document.querySelector(\"\(selector)\"); return node.checkVisibility() ? node.innerText : '';"
        )
    }

    /// Addresses of everything that was asked for, and of what the policy refused.
    func requests() throws -> [String] {
        try browser.evaluate("return performance.getEntriesByType('resource').map((entry) => entry.name);")
    }

    /// Text on the page with less contrast than 4.5:1, each with its ratio.
    func paleTexts() throws -> [String] {
        try browser.evaluate(
            """
            const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
            const linear = (byte) => { const part = byte / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; };
            const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
            const ground = (node) => { for (let at = node; at; at = at.parentElement) { const colour = numbers(getComputedStyle(at).backgroundColor); if (colour[3] !== 0) return colour; } return [255, 255, 255]; };
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const pale = [];
            while (walker.nextNode()) {
              const node = walker.currentNode.parentElement;
              const text = walker.currentNode.data.trim();
              if (!text || !node.checkVisibility() || node.closest(".spoken, noscript, .skip, script")) continue;
              const [one, other] = [light(numbers(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => a - b);
              const ratio = (other + 0.05) / (one + 0.05);
              if (ratio < 4.5) pale.push(`${ratio.toFixed(2)} ${text}`);
            }
            return pale;
            """)
    }
}

extension String {
    /// The count in the title of a cell as `cells` returns it: "1.23 M|1,234,567 B"
    var titleCount: UInt64? { split(separator: "|").last.map(String.init)?.shownCount }

    /// "1,234,567 B" -> 1234567
    var shownCount: UInt64? { UInt64(prefix { $0 != " " && $0 != "|" }.filter { $0 != "," }) }
}

extension BuiltInCollector {
    static func registered(_ name: String, with agent: AgentFixture) throws -> BuiltInCollector {
        let collector = try BuiltInCollector(
            name, command: [AgentUnderTest.program, "demo-collector"], in: agent.sandbox)
        guard collector.waitUntilReady(.seconds(20)) else { throw LabError(collector.process.errorOutput) }
        let result = try agent.command(["register", "--collector", name, "--pid", "\(collector.process.pid)"])
        guard result.exitCode == 0 else { throw LabError(result.errorOutput) }
        return collector
    }
}

extension AgentFixture {
    func status() throws -> PoolStatus { try JSONText.decode(PoolStatus.self, from: try get("/status").body) }
}
