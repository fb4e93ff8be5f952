import Testing

@testable import AgentCore
@testable import PoolModel
@testable import PoolReport
@testable import SockArrayCore

/// Pools for tables.
enum Pictures {
    static func status(
        pool: String = "edge", collectors: Int = 4, groups: Int = 2, nameLength: Int = 0, number: UInt64 = 12,
        state: (Int) -> String = { _ in "active" }, findings: Int = 0
    ) -> PoolStatus {
        func name(_ prefix: String, _ index: Int) -> String {
            let name = "\(prefix)\(index + 1)"
            return String(repeating: "n", count: max(0, nameLength - name.count)) + name
        }
        let isLong = nameLength > 0
        let groupNames = (0..<groups).map { name("g", $0) }
        return PoolStatus(
            pool: isLong ? String(repeating: "p", count: nameLength) : pool, assignment: "round-robin",
            tableSize: 1_048_576,
            collectors: (0..<collectors).map { index in
                .init(
                    name: name("c", index), slot: index, state: state(index), holdLeft: 7.2, weight: 1,
                    share: 1 / Double(collectors), pid: isLong ? .max : 4_711,
                    drain: isLong ? DrainProgress() : nil,
                    groups: Dictionary(
                        uniqueKeysWithValues: groupNames.enumerated().map { group, name in
                            (
                                name,
                                .init(
                                    cookie: 1, runs: number, failedOver: 0, bytes: number,
                                    queuedBytes: group % 2 == 0 ? number : 0,
                                    queuedConnections: group % 2 == 0 ? nil : number, drops: number)
                            )
                        }))
            },
            groups: groupNames.enumerated().map { index, name in
                .init(
                    name: name, protocol: index % 2 == 0 ? "udp" : "tcp",
                    address: isLong ? "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" : "0.0.0.0", port: 65_535,
                    attached: index % 2 == 0,
                    outcomes: .init(
                        selected: number, failedOver: number, held: number, noCollector: number, badPacket: 0),
                    droppedBytes: number)
            },
            findings: (0..<findings).map { _ in
                AuditFinding(.oneSource(.v4(0x0a00_0001)), since: 0)
            },
            tracking: TrackingStatus(
                size: 65_536, tracked: 65_536, active: 900, fill: 1, interval: 60, configuredInterval: 1,
                untracked: ExporterTraffic(runs: number, bytes: number), evicted: number, eventsLost: number))
    }
}

@Suite struct StatusReportTests {
    @Test(arguments: [1, 12, 256], [1, 32])
    func `names of 63 bytes, numbers of 2^64, 256 collectors, 32 groups: 80 columns, in a pipe and on a terminal`(
        collectors: Int, groups: Int
    ) {
        let status = Pictures.status(
            collectors: collectors, groups: groups, nameLength: 63, number: .max, state: { _ in "holding" }, findings: 2
        )
        for wrapWidth in [nil, 80] {
            let report = StatusReport(status, width: 80, wrapWidth: wrapWidth)
            let tables = report.lines.filter { !$0.plain.hasPrefix("– ") || wrapWidth != nil }
            #expect(tables.allSatisfy { $0.width <= 80 })
            let title = report.lines[2].plain.split(separator: " ")
            #expect(
                title == ["COLLECTOR", "SLOT", "STATE", "SHARE", "PID", "GROUP", "RUNS", "QUEUED", "DROPS"], "\(title)")
            #expect(report.lines.count { $0.plain.contains("18.4E") } >= collectors * groups + groups)
        }
    }

    @Test func `at most 4 inactive collectors stand below the tables with the next step`() {
        var status = Pictures.status(collectors: 6) { $0 == 5 ? "active" : "empty" }
        for index in 0..<5 { status.collectors[index].advice = "it never registered; start it" }
        let text = StatusReport(status, width: 80, wrapWidth: nil).text(painted: false)
        #expect(text.ranges(of: " is empty: it never registered; start it").count == 4, "\(text)")
        #expect(text.contains("– collector c1 is empty: ") && text.contains("– 1 more aren't active"), "\(text)")
    }

    @Test func `in a pipe there are no marks and no cut sentences; the columns are those of a small pool`() {
        let text = StatusReport(Pictures.status(findings: 1), width: 80, wrapWidth: nil).text(painted: false)
        let lines = text.split(separator: "\n")
        #expect(lines[0] == "pool edge, round-robin, 1048576 rows")
        #expect(
            lines[1].split(separator: " ").map(String.init)
                == "COLLECTOR SLOT STATE SHARE PID GROUP RUNS QUEUED DROPS".split(separator: " ").map(String.init))
        #expect(lines[2].split(separator: " ") == ["c1", "0", "active", "25.0%", "4711", "g1", "12", "12", "B", "12"])
        #expect(lines.last?.hasPrefix("– one_source_address: ") == true && !text.contains("\u{1b}"))
        #expect(lines.contains("exporters: 65536 tracked, of at most 65536; 900 sent within 60 s"))
        #expect(lines.contains("  12 runs of untracked exporters, 12 bytes of them, 12 evicted, 12 events lost"))
    }

    @Test func `failing usage has one line, overdue usage a mark, and healthy usage neither`() {
        func line(_ usage: UsageStatus?) -> String? {
            var status = Pictures.status()
            status.usage = usage
            let text = StatusReport(status, width: 80, wrapWidth: nil).text(painted: false)
            let lines = text.split(separator: "\n").filter { $0.contains("usage") }
            return lines.count > 1 ? text : lines.first.map { String($0) }
        }
        let (failing, why) = (UsageStatus(pendingEvents: 1, lastError: "the disk\nis full"), "the disk is full")
        #expect(line(failing)?.hasPrefix("– usage, 1 event waits: the disk") == true, "\(line(failing)!), \(why)")
        #expect(line(UsageStatus(pendingEvents: 12, isOverdue: true)) == "✗ usage is overdue, 12 events wait")
        #expect(line(UsageStatus(pendingEvents: 12)) == nil && line(nil) == nil)
    }

    @Test(arguments: Array(stride(from: 20, through: 240, by: 1)))
    func `output keeps to any width from 20 to 240 columns`(width: Int) {
        for length in [0, 20, 63] {
            let status = Pictures.status(nameLength: length, number: length == 0 ? 5 : .max, findings: 1)
            let report = StatusReport(status, width: width, wrapWidth: width)
            #expect(report.lines.allSatisfy { $0.width <= width }, "\(report.text(painted: false))")
            #expect(report.lines.contains { $0.plain.hasPrefix("COLLECTOR") })
        }
    }

    @Test func `a wide terminal shows whole names and all digits`() {
        let text = StatusReport(Pictures.status(nameLength: 63, number: .max), width: 400, wrapWidth: 400)
            .text(painted: false)
        #expect(text.contains("18446744073709551615") && text.contains(String(repeating: "n", count: 61) + "c1"))
        #expect(!text.contains("…"))
    }

    @Test func `colors only repeat marks and names: without colors the text is the same`() {
        let status = Pictures.status(state: { ["active", "holding", "failed", "draining"][$0] })
        let report = StatusReport(status, width: 80, wrapWidth: 80)
        let plain = report.text(painted: false)
        for text in ["● active", "◐ holding 8 s", "✗ failed", "▽ draining"] {
            #expect(plain.contains(text), "\(plain)")
        }
        let painted = report.text(painted: true)
        #expect(painted.contains("\u{1b}[32m● active\u{1b}[0m"))
        #expect(painted.replacing(/\u{1b}\[[0-9;]*m/, with: "") == plain)
    }
}

@Suite struct ShortTextTests {
    @Test(
        arguments: [
            (0, "0"), (99_999, "99999"), (100_000, "100k"), (999_999, "999k"), (1_000_000, "1.00M"),
            (1_239_999, "1.23M"),
            (12_345_678, "12.3M"), (999_999_999, "999M"), (5_000_000_000, "5.00G"), (UInt64.max, "18.4E"),
        ] as [(UInt64, String)])
    func `numbers have at most 5 characters and are rounded down`(number: UInt64, text: String) {
        #expect(ShortText.number(number) == text)
    }

    @Test func `random numbers keep to 5 characters and to their order`() {
        var last = (0 as UInt64, "")
        for number in (0..<100_000).map({ _ in UInt64.random(in: 0 ... .max) >> UInt64.random(in: 0...63) }).sorted() {
            let text = ShortText.number(number)
            #expect(text.count <= 5, "\(number)")
            last = (number, text)
        }
        #expect(last.1 != "")
    }

    @Test(
        arguments: [
            (0, "0"), (0.04, "0.1"), (1.25, "1.3"), (9.94, "9.9"), (9.96, "10"), (2_813.4, "2813"), (4.1e6, "4.10M"),
            (.infinity, "0"), (.nan, "0"), (-1, "0"), (1e30, "18.4E"),
        ] as [(Double, String)])
    func `rates below 10 have one decimal`(rate: Double, text: String) { #expect(ShortText.rate(rate) == text) }

    @Test func `long names lose their middle and keep both ends`() {
        #expect(ShortText.middle("collector-zurich-17", to: 10) == "colle…h-17")
        #expect(ShortText.middle("c1", to: 2) == "c1" && ShortText.middle("abc", to: 1) == "a")
        #expect(ShortText.oneCell("a\u{1b}[2J\n–✗…漢e\u{301}") == "a?[2J?–✗…??")
    }

    @Test func `sentences wrap between words, and overlong words are cut`() {
        #expect(Wrapping.lines("one two three", width: 7) == ["one two", "three"])
        #expect(Wrapping.lines("one two", width: nil, first: "  ") == ["  one two"])
        #expect(
            Wrapping.lines("a bcdefghij k", width: 5, first: "> ", others: "  ") == [
                "> a", "  bcd", "  efg", "  hij", "  k",
            ])
        for width in 5...60 {
            let text = "the agent keeps /run/reuseport-agent/a-very-long-path/control.sock, and says so"
            let lines = Wrapping.lines(text, width: width, first: "– ", others: "    ")
            #expect(lines.allSatisfy { $0.count <= width }, "\(lines)")
            #expect(lines.joined().filter { $0 != " " } == "–" + text.filter { $0 != " " })
        }
    }
}

@Suite struct ColorTests {
    @Test func `color needs a terminal that isn't dumb and no NO_COLOR; a flag overrides this`() {
        func paints(_ choice: ColorChoice, _ isTerminal: Bool, _ noColor: String?, _ term: String?) -> Bool {
            choice.paints(isTerminal: isTerminal, noColor: noColor, term: term)
        }
        #expect(paints(.auto, true, nil, "xterm") && paints(.auto, true, "", "xterm"))
        for (isTerminal, noColor, term) in [
            (false, nil, "xterm"), (true, "1", "xterm"), (true, "0", "xterm"), (true, nil, "dumb"), (true, nil, nil),
        ] as [(Bool, String?, String?)] {
            #expect(!paints(.auto, isTerminal, noColor, term))
            #expect(paints(.always, isTerminal, noColor, term) && !paints(.never, isTerminal, noColor, term))
        }
    }

    @Test func `q, Ctrl-C and Ctrl-D quit; j, k, arrows and page keys scroll; other keys do nothing`() {
        #expect(Keys.read([113]) == [.quit] && Keys.read([3]) == [.quit] && Keys.read([4]) == [.quit])
        #expect(Keys.read(Array("jk ".utf8)[...]) == [.scroll(1), .scroll(-1), .scroll(10)])
        #expect(
            Keys.read(Array("\u{1b}[A\u{1b}[B\u{1b}OA\u{1b}[5~\u{1b}[6~".utf8)[...])
                == [.scroll(-1), .scroll(1), .scroll(-1), .scroll(-10), .scroll(10)])
        #expect(Keys.read(Array("x\u{1b}[1;5Cy\u{1b}".utf8)[...]) == [])
        for _ in 0..<10_000 { _ = Keys.read((0..<20).map { _ in UInt8.random(in: 0...255) }[...]) }
    }
}

@Suite struct CheckReportTests {
    private static let items: [CheckList.Item] = [
        .init(check: "kernel", ok: true, detail: "Linux 6.18"),
        .init(
            check: "loading BPF programs", ok: false, detail: "CAP_BPF is missing",
            remedy: "run it as root, or give the agent CAP_BPF (AmbientCapabilities= of its unit)"),
        .init(check: "migration", ok: true, detail: "the kernel can't", remedy: "boot another"),
        .init(check: "configuration", ok: false, detail: "\u{1b}[2Jbad", remedy: "mend it"),
        .init(check: "control_socket /run/x", ok: true, detail: "it can be made"),
    ]

    @Test func `in a pipe each item and each remedy has a line, below its section and before the sum`() {
        #expect(
            CheckReport(Self.items, width: nil).text(painted: false) == """
                machine
                ✓ kernel: Linux 6.18
                ✗ loading BPF programs: CAP_BPF is missing
                    run it as root, or give the agent CAP_BPF (AmbientCapabilities= of its unit)
                – migration: the kernel can't
                    boot another

                configuration
                ✗ configuration: ?[2Jbad
                    mend it
                ✓ control_socket /run/x: it can be made

                2 problems; optional: 1

                """)
    }

    @Test(arguments: Array(20...120)) func `on a terminal no line exceeds its width, and ticks have color`(width: Int) {
        let report = CheckReport(Self.items, width: width)
        #expect(report.lines.allSatisfy { $0.width <= width })
        #expect(report.text(painted: true).contains("\u{1b}[32m✓ \u{1b}[0mkernel"))
        #expect(report.lines.contains { $0.plain.hasPrefix("    run it as") })
    }

    @Test func `a running agent has a section for each group and one for the pool; without findings all is well`() {
        let items = ["group a: program", "group a: map", "group b: map", "sources"].map {
            CheckList.Item(check: $0, ok: true, detail: "well")
        }
        let text = CheckReport(items, width: nil).text(painted: false)
        #expect(
            text.split(separator: "\n").filter { !$0.hasPrefix("✓") } == ["group a", "group b", "pool", "all is well"])
    }
}
