import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// The page at /, in Chromium, against a running agent with traffic.
@Suite(
    .serialized, .enabled(if: AgentUnderTest.hasChromium, "needs root and Debian packages chromium, chromium-driver"))
struct PageTests {
    @Test func `the page shows a failed reload, and that all collectors are gone, among its problems`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox)
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let page = try PageFixture.open(in: sandbox)
            PageFixture.expect("the page says healthy") { try page.text("#health") == "healthy" }
            try FileText.write("pool: [", to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 2)
            PageFixture.expect("the page has the failed reload") {
                try page.text("#trouble-list").contains("the last reload failed")
            }
            #expect(try page.text("#health") != "healthy")
            for collector in collectors { collector.process.send(SIGKILL) }
            PageFixture.expect("the page has the loss of all collectors") {
                try page.text("#trouble-list").contains("none is usable: the traffic of all groups is dropped")
            }
            #expect(try PageFixture.complaints(page) == [])
            try page.browser.quit()
        }
    }

    @Test func `the page shows /status of 3 collectors and 12 exporters, group by group`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox)
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let exporters = try PageFixture.send()
            let page = try PageFixture.open(in: sandbox)
            let status = try agent.status()
            let runs = status.collectors.flatMap { $0.groups.values.map(\.runs) }
            #expect(runs.reduce(0, +) == 900 + 12)
            // The exporters come last.
            PageFixture.expect("the page has the exporters") { try page.text("#tracked") == "12" }
            let shown = try page.collectors()
            for (shown, collector) in zip(shown, status.collectors) {
                #expect(shown.name == collector.name && shown.state == collector.state)
                #expect(shown.runs.shownCount == collector.groups.values.map(\.runs).reduce(0, +))
                #expect(shown.bytes.shownCount == collector.groups.values.map(\.bytes).reduce(0, +))
                #expect(shown.drops.shownCount == collector.groups.values.map(\.drops).reduce(0, +))
                #expect(shown.weight == "\(collector.weight)" && shown.pid == collector.pid.map { "\($0)" } ?? "–")
                let share = Double(shown.share.dropLast(2))
                #expect(share.map { abs($0 - 100 * collector.share) <= 0.0501 } ?? false, "\(shown.share)")
            }
            // Each group's figures, opened by click.
            _ = try page.browser.evaluate(
                Int.self,
                "document.querySelectorAll('.opener').forEach((button) => button.click()); return 0;")
            let groups = try page.cells("#collectors .details tbody tr")
            #expect(groups.count == 6)
            for (index, cells) in groups.enumerated() {
                let (collector, group) = (status.collectors[index / 2], status.groups[index % 2])
                guard let member = collector.groups[group.name] else { throw LabError("\(collector)") }
                #expect(cells[0] == group.name && cells[1] == "there")
                #expect(cells[4].shownCount == member.runs && cells[5].shownCount == member.bytes)
                #expect(cells[8].shownCount == member.drops)
            }
            let outcomes = try page.cells("#groups tbody tr")
            #expect(outcomes.map { $0[4].shownCount } == status.groups.map(\.outcomes.selected))
            #expect(outcomes.map { $0[1] } == ["udp 0.0.0.0:4739", "tcp 0.0.0.0:1790"])
            #expect(try page.text("#pool") == "edge" && page.text("#health") == "healthy")
            #expect(try page.text("#hold") == "10 s")
            // The rows, in the text that stands for the picture.
            #expect(try page.text("#strip-text") == "All 65,536 rows are with their owners.")
            let rows = try page.cells("#strip-table tbody tr")
            #expect(rows.map { $0[0] } == PageFixture.names)
            #expect(rows.compactMap { $0[1].shownCount }.reduce(0, +) == 65_536)
            for (row, collector) in zip(rows, status.collectors) {
                #expect(row[1].shownCount == UInt64((collector.share * 65_536).rounded()))
            }
            // The exporters, all of them, the heaviest first.
            let list = try JSONText.decode(
                ExporterList.self, from: try agent.get("/exporters?sort=-bytes&limit=20").body)
            let listed = try page.cells("#exporters tbody tr")
            #expect(list.total == 12 && listed.map { $0[0] } == list.exporters.map(\.address))
            for (cells, exporter) in zip(listed, list.exporters) {
                #expect(cells[1] == exporter.collector ?? "–")
                #expect(cells[4].titleCount == exporter.udp.bytes + exporter.tcp.bytes)
                #expect(cells[5].titleCount == exporter.udp.runs + exporter.tcp.runs)
            }
            #expect(try page.text("#tracked") == "12")
            #expect(try page.requests().allSatisfy { $0.hasPrefix(PageReader.address) })
            #expect(try PageFixture.complaints(page) == [])
            try page.browser.quit()
            _ = (collectors, exporters)
        }
    }

    @Test func `the page's policy blocks a request to another port and an injected script; the check notices both`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox)
            let page = try PageFixture.open(in: sandbox)
            PageFixture.expect("the page has the collectors") { try page.collectors().count == 3 }
            #expect(try PageFixture.complaints(page) == [])
            let ask = "fetch('http://127.0.0.1:9515/status').then(() => 'answered', () => 'refused')"
            #expect(try page.browser.text("return \(ask);") == "refused")
            let inject = "const node = document.createElement('script'); node.text = 'window.injected = 1';"
            let injected = try page.browser.text("\(inject) document.body.append(node); return typeof window.injected;")
            #expect(injected == "undefined")
            let complaints = try PageFixture.complaints(page)
            #expect(complaints.count >= 2, "\(complaints)")
            #expect(complaints.contains { $0.contains("Content Security Policy") }, "\(complaints)")
            let answer = try StatusClient.get("/", over: .tcp)
            #expect(answer.fields.contains { $0.hasPrefix("Content-Security-Policy: default-src 'none'; ") })
            #expect(answer.body.utf8.count < 120_000)
            for mark in ["@policy@", "@style@", "@script@"] { #expect(!answer.body.contains(mark)) }
            try page.browser.quit()
            _ = agent
        }
    }

    @Test
    func `the page shows a killed collector as holding, then failed, with its rows and its events`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox, hold: "90s")
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let exporters = try PageFixture.send()
            let page = try PageFixture.open(in: sandbox)
            PageFixture.expect("the page is healthy") { try page.text("#health") == "healthy" }
            try collectors[1].stop()
            PageFixture.expect("c2 is holding") { try page.state(of: "c2") == "holding" }
            let owned = try agent.status().collectors[1].share * 65_536
            #expect(try page.text("#collectors tbody:nth-of-type(2) .hold").hasSuffix(" s"))
            PageFixture.expect("its rows wait") {
                try page.cells("#strip-table tbody tr")[1][5].shownCount == UInt64(owned.rounded())
            }
            #expect(try page.text("#trouble-list").contains("collector c2 is holding"))
            // The hold is over. The reload makes the agent notice, as its own clock would.
            try PinnedMaps.letPass(.seconds(91), pool: "edge")
            #expect(try agent.command(["reload"]).exitCode == 0)
            PageFixture.expect("c2 has failed") { try page.state(of: "c2") == "failed" }
            PageFixture.expect("its rows are with others") {
                let rows = try page.cells("#strip-table tbody tr")
                return (rows[0][4].shownCount ?? 0) + (rows[2][4].shownCount ?? 0) == UInt64(owned.rounded())
            }
            PageFixture.expect("its loss and its failover are events") {
                let events = try page.text("#events")
                return events.contains("lost") && events.contains("failed over") && events.contains("c2")
            }
            #expect(try PageFixture.complaints(page) == [])
            try page.browser.quit()
            _ = exporters
        }
    }

    @Test func `by keyboard alone, / and an address give explain's answer, and so does #address`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox)
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let page = try PageFixture.open(in: sandbox)
            PageFixture.expect("the page has the collectors") { try page.collectors().count == 3 }
            for address in ["198.51.100.7", "2001:db8::7"] {
                let explained = try JSONText.decode(
                    Explanation.self, from: try agent.command(["explain", address, "--json"]).output)
                try page.browser.type("/")
                _ = try page.browser.evaluate(Int.self, "document.activeElement.select(); return 0;")
                try page.browser.type(address + Browser.Key.enter)
                PageFixture.expect("the answer is explain's") {
                    try page.text("#answer") == "\(address) goes to \(explained.collector!), the owner of its row."
                }
                #expect(try page.cells("#strip-table tbody tr").count == 3)
                let ranks: [String] = try page.browser.evaluate(
                    "return [...document.querySelectorAll('.ranks li')].map((item) => item.textContent);")
                #expect(ranks == explained.ranks)
                // Out of the field, so that the next / is no letter of an address.
                try page.browser.type(Browser.Key.tab)
            }
            try page.browser.type("/")
            _ = try page.browser.evaluate(Int.self, "document.activeElement.select(); return 0;")
            try page.browser.type("10.0.0.0/8" + Browser.Key.enter)
            #expect(try page.text("#answer") == "10.0.0.0/8 is a prefix: ask for one address of it.")
            // By the fragment, in a new page.
            try page.browser.open("about:blank")
            try page.browser.open(PageReader.address + "#203.0.113.90")
            PageFixture.expect("the address in the fragment is asked") {
                try page.text("#answer").hasPrefix("203.0.113.90 goes to ")
            }
            // A % that is no escape stops nothing.
            try page.browser.open("about:blank")
            try page.browser.open(PageReader.address + "#fe80::1%eth0")
            PageFixture.expect("the page reports the zone, and continues to work") {
                try page.text("#answer").contains("has a zone") && page.collectors().count == 3
            }
            // Heads sort, by Enter, and say so; a group is opened by Space; ? lists the keys.
            _ = try page.browser.evaluate(
                Int.self, "document.querySelector('#collectors thead button').focus(); return 0;")
            try page.browser.type(Browser.Key.enter + Browser.Key.enter)
            #expect(
                try page.browser.text("return document.querySelector('#collectors thead th').ariaSort;") == "descending"
            )
            #expect(try page.collectors().map(\.name) == ["c3", "c2", "c1"])
            _ = try page.browser.evaluate(Int.self, "document.querySelector('.opener').focus(); return 0;")
            try page.browser.type(Browser.Key.space)
            #expect(try page.browser.text("return document.activeElement.ariaExpanded;") == "true")
            try page.browser.type("?")
            #expect(try page.browser.evaluate(Bool.self, "return document.getElementById('keys').open;"))
            try page.browser.type(Browser.Key.escape)
            #expect(try PageFixture.complaints(page) == [])
            try page.browser.quit()
            _ = collectors
        }
    }

    @Test func `without the agent the page is gray and marked as old; after its return no figure is negative`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox)
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let exporters = try PageFixture.send()
            let page = try PageFixture.open(in: sandbox)
            PageFixture.expect("the page is live") { try page.text("#contact").hasPrefix("live ") }
            #expect(try page.browser.evaluate(Bool.self, "return document.getElementById('silence').hidden;"))
            try agent.kill()
            PageFixture.expect("the page says so") {
                try page.text("#silence").contains("The values below are of that time")
            }
            #expect(try page.browser.evaluate(Bool.self, "return document.documentElement.hasAttribute('data-stale');"))
            #expect(try page.text("#contact") == "no answer" && page.collectors().count == 3)
            for scheme in ["light", "dark"] {
                try page.browser.prefer(scheme)
                #expect(try page.paleTexts() == [], "\(scheme), stale")
            }
            try agent.restart()
            PageFixture.expect("the page is live again") { try page.text("#contact").hasPrefix("live ") }
            let figures: [String] = try page.browser.evaluate(
                "return [...document.querySelectorAll('#totals dd, .number')].map((node) => node.textContent);")
            #expect(
                figures.count > 10 && figures.allSatisfy { !$0.hasPrefix("-") && !$0.contains("NaN") }, "\(figures)")
            try page.browser.quit()
            _ = (collectors, exporters)
        }
    }
}
