import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import AgentCore

/// The page at /, in Chromium, against a running agent with traffic.
@Suite(.serialized, .enabled(if: Subject.hasChromium, "needs root and Debian packages chromium, chromium-driver"))
struct PageTests {
    private static let names = ["c1", "c2", "c3"]

    private static func agent(in sandbox: Sandbox, hold: String = "10s") throws -> AgentFixture {
        try AgentFixture(
            in: sandbox, program: Subject.program,
            configuration: AgentFixture.configuration(
                collectors: names, hold: hold, extra: StatusClient.Place.configuration))
    }

    private static func collectors(in sandbox: Sandbox, with agent: AgentFixture) throws -> [BuiltInCollector] {
        try names.map { try .registered($0, with: agent) }
    }

    /// 12 exporters that send 20, 30, … datagrams of different lengths, and connect.
    private static func send() throws -> [Exporter] {
        let exporters = (0..<12).map { Exporter(.v4(0xc633_6401 + UInt32($0))) }
        for (index, exporter) in exporters.enumerated() {
            let datagram = [UInt8](repeating: UInt8(index), count: 100 + 40 * index)
            try exporter.send(Array(repeating: datagram, count: 20 + 10 * index), pause: 50)
            try exporter.openSession([3, 0, 0, 0, 6, 4])
        }
        return exporters
    }

    private static func open(in sandbox: Sandbox, fragment: String = "") throws -> PageReader {
        let page = PageReader(browser: try Browser(in: sandbox))
        try page.browser.open(PageReader.address + fragment)
        return page
    }

    /// The page asks every 2 s.
    private static func expect(
        _ what: String, within limit: Duration = .seconds(30), _ condition: () throws -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var problem = ""
        let happened = waitUntil(limit, every: .milliseconds(200)) {
            do { return try condition() } catch { problem = "\(error)" }
            return false
        }
        #expect(happened, "\(what) \(problem)", sourceLocation: sourceLocation)
    }

    /// What the browser has to say of the page; /healthz says by 503 that something is wrong.
    private static func complaints(_ page: PageReader) throws -> [String] {
        _ = try page.browser.readConsole()
        return page.browser.messages.filter { $0.level == "SEVERE" && !$0.message.contains("/healthz") }.map(\.message)
    }

    @Test func `3 collectors, 12 exporters over UDP and TCP: what the page shows is /status, group by group`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try Self.collectors(in: sandbox, with: agent)
            let exporters = try Self.send()
            let page = try Self.open(in: sandbox)
            let status = try agent.status()
            let runs = status.collectors.flatMap { $0.groups.values.map(\.runs) }
            #expect(runs.reduce(0, +) == 900 + 12)
            // The exporters come last.
            Self.expect("the page has the exporters") { try page.text("#tracked") == "12" }
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
            #expect(rows.map { $0[0] } == Self.names)
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
            #expect(try Self.complaints(page) == [])
            try page.browser.quit()
            _ = (collectors, exporters)
        }
    }

    @Test func `its policy refuses a request to another port and a script that was put in; the check sees both`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let page = try Self.open(in: sandbox)
            Self.expect("the page has the collectors") { try page.collectors().count == 3 }
            #expect(try Self.complaints(page) == [])
            let ask = "fetch('http://127.0.0.1:9515/status').then(() => 'answered', () => 'refused')"
            #expect(try page.browser.text("return \(ask);") == "refused")
            let inject = "const node = document.createElement('script'); node.text = 'window.injected = 1';"
            let injected = try page.browser.text("\(inject) document.body.append(node); return typeof window.injected;")
            #expect(injected == "undefined")
            let complaints = try Self.complaints(page)
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
    func `a collector is killed: the page shows it holding, then failed, who has its rows, and the events of it`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, hold: "90s")
            let collectors = try Self.collectors(in: sandbox, with: agent)
            let exporters = try Self.send()
            let page = try Self.open(in: sandbox)
            Self.expect("the page is healthy") { try page.text("#health") == "healthy" }
            try collectors[1].stop()
            Self.expect("c2 is holding") { try page.state(of: "c2") == "holding" }
            let owned = try agent.status().collectors[1].share * 65_536
            #expect(try page.text("#collectors tbody:nth-of-type(2) .hold").hasSuffix(" s"))
            Self.expect("its rows wait") {
                try page.cells("#strip-table tbody tr")[1][5].shownCount == UInt64(owned.rounded())
            }
            #expect(try page.text("#trouble-list").contains("collector c2 is holding"))
            // The hold is over. The agent notices by the reload, as it would by its own clock.
            try PinnedMaps.letPass(.seconds(91), pool: "edge")
            #expect(try agent.command(["reload"]).exitCode == 0)
            Self.expect("c2 has failed") { try page.state(of: "c2") == "failed" }
            Self.expect("its rows are with others") {
                let rows = try page.cells("#strip-table tbody tr")
                return (rows[0][4].shownCount ?? 0) + (rows[2][4].shownCount ?? 0) == UInt64(owned.rounded())
            }
            Self.expect("its loss and its failover are events") {
                let events = try page.text("#events")
                return events.contains("lost") && events.contains("failed over") && events.contains("c2")
            }
            #expect(try Self.complaints(page) == [])
            try page.browser.quit()
            _ = exporters
        }
    }

    @Test func `by keyboard alone: / and an address, Enter: who gets it is what explain says; also by #address`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try Self.collectors(in: sandbox, with: agent)
            let page = try Self.open(in: sandbox)
            Self.expect("the page has the collectors") { try page.collectors().count == 3 }
            for address in ["198.51.100.7", "2001:db8::7"] {
                let explained = try JSONText.decode(
                    Explanation.self, from: try agent.command(["explain", address, "--json"]).output)
                try page.browser.type("/")
                _ = try page.browser.evaluate(Int.self, "document.activeElement.select(); return 0;")
                try page.browser.type(address + Browser.Key.enter)
                Self.expect("the answer is explain's") {
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
            // By its address, in a page that is opened anew.
            try page.browser.open("about:blank")
            try page.browser.open(PageReader.address + "#203.0.113.90")
            Self.expect("the address in the fragment is asked") {
                try page.text("#answer").hasPrefix("203.0.113.90 goes to ")
            }
            // A % that is no escape stops nothing.
            try page.browser.open("about:blank")
            try page.browser.open(PageReader.address + "#fe80::1%eth0")
            Self.expect("the zone is told, and the page lives") {
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
            #expect(try Self.complaints(page) == [])
            try page.browser.quit()
            _ = collectors
        }
    }

    @Test func `the agent is gone: what was is grey and said to be old; it is back: no figure is negative`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try Self.collectors(in: sandbox, with: agent)
            let exporters = try Self.send()
            let page = try Self.open(in: sandbox)
            Self.expect("the page is live") { try page.text("#contact").hasPrefix("live ") }
            #expect(try page.browser.evaluate(Bool.self, "return document.getElementById('silence').hidden;"))
            try agent.kill()
            Self.expect("the page says so") { try page.text("#silence").contains("What stands below was true then") }
            #expect(try page.browser.evaluate(Bool.self, "return document.documentElement.hasAttribute('data-stale');"))
            #expect(try page.text("#contact") == "no answer" && page.collectors().count == 3)
            for scheme in ["light", "dark"] {
                try page.browser.prefer(scheme)
                #expect(try page.paleTexts() == [], "\(scheme), stale")
            }
            try agent.restart()
            Self.expect("the page is live again") { try page.text("#contact").hasPrefix("live ") }
            let figures: [String] = try page.browser.evaluate(
                "return [...document.querySelectorAll('#totals dd, .number')].map((node) => node.textContent);")
            #expect(
                figures.count > 10 && figures.allSatisfy { !$0.hasPrefix("-") && !$0.contains("NaN") }, "\(figures)")
            try page.browser.quit()
            _ = (collectors, exporters)
        }
    }

    @Test func `from 720 to 1920 pixels the table of groups fits its card, with totals of 10 digits and rates`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try Self.collectors(in: sandbox, with: agent)
            let page = try Self.open(in: sandbox)
            Self.expect("the page has the collectors") { try page.collectors().count == 3 }
            var shown: [Int] = []
            for width in [720, 900, 1_199, 1_200, 1_300, 1_400, 1_500, 1_699, 1_700, 1_920] {
                try page.browser.resize(width: width, height: 900)
                let surplus = try page.browser.evaluate(
                    Int.self,
                    """
                    const table = document.getElementById("groups");
                    for (const cell of table.querySelectorAll("tbody td.n")) {
                      if (cell.firstElementChild) cell.replaceChildren(...cell.children), cell.firstElementChild.textContent = "99.9";
                      else cell.textContent = "1,234,567,890";
                      if (cell.lastElementChild) cell.lastElementChild.textContent = "k";
                    }
                    return table.parentElement.scrollWidth - table.parentElement.clientWidth;
                    """)
                #expect(surplus <= 0, "\(surplus) pixels too wide at \(width)")
                shown.append(
                    try page.browser.evaluate(
                        Int.self,
                        """
                        return [...document.querySelectorAll("#groups thead th")]
                          .filter((head) => head.offsetWidth > 0).length;
                        """))
            }
            // Rates are always there, totals where there is room.
            #expect(shown.allSatisfy { $0 >= 8 } && shown.contains { $0 > 8 }, "\(shown)")
            try page.browser.quit()
            _ = collectors
        }
    }

    @Test func `light and dark: all text has 4.5:1; at 360 and at 1920 pixels nothing stands out at the side`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, hold: "1h")
            let collectors = try Self.collectors(in: sandbox, with: agent)
            let exporters = try Self.send()
            try collectors[2].stop()
            let page = try Self.open(in: sandbox, fragment: "#198.51.100.1")
            Self.expect("a collector is held, and an address is answered for") {
                try page.state(of: "c3") == "holding" && page.text("#answer").contains("198.51.100.1 ")
            }
            var grounds: [String] = []
            for scheme in ["light", "dark"] {
                try page.browser.prefer(scheme)
                #expect(try page.paleTexts() == [], "\(scheme)")
                grounds.append(try page.browser.text("return getComputedStyle(document.body).backgroundColor;"))
            }
            #expect(grounds == ["rgb(255, 255, 255)", "rgb(20, 22, 26)"])
            for width in [360, 720, 1_200, 1_920] {
                try page.browser.resize(width: width, height: 900)
                let scroll = try page.browser.evaluate(Int.self, "return document.documentElement.scrollWidth;")
                #expect(scroll <= width, "\(scroll) of \(width)")
            }
            try page.browser.quit()
            _ = exporters
        }
    }

    @Test func `screen readers: landmarks, a name for everything that can be used, heads for every table`() async throws
    {
        struct Tree: Decodable {
            struct Text: Decodable { let value: String? }
            struct Node: Decodable {
                let ignored: Bool
                let role: Text?
                let name: Text?
            }
            let nodes: [Node]
        }
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try Self.collectors(in: sandbox, with: agent)
            let page = try Self.open(in: sandbox)
            Self.expect("the page has the collectors") { try page.collectors().count == 3 }
            try page.browser.command("Accessibility.enable")
            let tree = try page.browser.command(Tree.self, "Accessibility.getFullAXTree").nodes.filter { !$0.ignored }
            func names(_ role: String) -> [String] {
                tree.filter { $0.role?.value == role }.map { $0.name?.value ?? "" }
            }
            for role in [
                "button", "link", "textbox", "checkbox", "radio", "combobox", "table", "columnheader", "rowheader",
                "image",
            ] {
                #expect(!names(role).contains(""), "\(role): \(names(role))")
            }
            for landmark in ["banner", "main", "contentinfo", "search"] {
                #expect(names(landmark).count == 1, "\(landmark)")
            }
            #expect(names("heading").contains("Where does this address go?") && names("heading").contains("edge"))
            #expect(names("textbox") == ["Address of an exporter"])
            #expect(names("columnheader").contains("Share") && names("rowheader").contains("c1"))
            let polite = try page.browser.evaluate(
                Int.self, "return document.querySelectorAll('[aria-live=polite]').length;")
            #expect(polite == 2, "what is spoken by itself: events summed up, and the answer")
            // The first Tab leads past the head.
            try page.browser.type(Browser.Key.tab)
            #expect(try page.browser.text("return document.activeElement.textContent;") == "Skip to the collectors")
            try page.browser.type(Browser.Key.enter)
            #expect(try page.browser.text("return document.activeElement.id;") == "collectors-title")
            try page.browser.quit()
            _ = collectors
        }
    }
}
