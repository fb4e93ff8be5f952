import Testing

@testable import AgentCore
@testable import PoolModel
@testable import PoolReport

@Suite struct WatchViewTests {
    private static func view(
        collectors: Int = 4, groups: Int = 2, nameLength: Int = 0, number: UInt64 = 1_000, events: Int = 0,
        findings: Int = 0, state: @escaping (Int) -> String = { _ in "active" }
    ) -> WatchView {
        func status(_ number: UInt64) -> PoolStatus {
            Pictures.status(
                collectors: collectors, groups: groups, nameLength: nameLength, number: number, state: state,
                findings: findings)
        }
        var view = WatchView()
        view.status = status(number)
        view.rates = PoolRates(from: status(0), to: status(number), seconds: 2)
        view.time = "17:02:46"
        view.clock = { "T\(Int($0))" }
        view.events = (0..<events).map {
            PoolEvent(id: UInt64($0), time: Double($0), kind: .lost, text: "collector c\($0) has lost a socket")
        }
        return view
    }

    private static func text(_ view: WatchView, _ lines: Int, _ columns: Int) -> String {
        var view = view
        return view.frame(.init(lines: lines, columns: columns)).map(\.plain).joined(separator: "\n")
    }

    @Test func `no frame exceeds its terminal, from 1 line to 60 and from 1 column to 220`() {
        for (collectors, groups) in [(1, 1), (4, 2), (12, 3), (40, 4), (256, 32)] {
            for (length, number) in [(0, 5), (20, 123_456), (63, UInt64.max)] as [(Int, UInt64)] {
                var view = Self.view(
                    collectors: collectors, groups: groups, nameLength: length, number: number, events: 9, findings: 5,
                    state: { $0 % 3 == 0 ? "holding" : "active" })
                view.trouble = number == 5 ? "no agent answers at /run/reuseport-agent/control.sock" : nil
                view.offset = 3
                let isLarge = collectors == 256
                for lines in isLarge ? [1, 24, 60] : [1, 2, 3, 5, 8, 10, 13, 17, 24, 31, 60] {
                    for columns in isLarge ? [40, 200] : [1, 7, 20, 29, 30, 40, 59, 60, 80, 100, 133, 220] {
                        let frame = view.frame(.init(lines: lines, columns: columns))
                        #expect(frame.count <= lines)
                        #expect(frame.allSatisfy { $0.width <= columns }, "\(collectors) \(columns)x\(lines)")
                    }
                }
            }
        }
    }

    @Test func `80 columns and 24 lines show collectors, groups, rates, load and events`() {
        let text = Self.text(Self.view(events: 2, findings: 1), 24, 80)
        for part in [
            "pool edge, round-robin, 1048576 rows", "17:02:46  every 2 s  q quits",
            "● 4 of 4 active, 4000 runs/s, 4000 drops/s, 4000 B/s, busiest c", ": 1.00 x share",
            "COLLECTOR  STATE", "c4         ● active", "██████████", "SEL/S", "T1 collector c1 has lost a socket",
            "– one_source_address: ",
        ] {
            #expect(text.contains(part), "\(part) is not in\n\(text)")
        }
    }

    @Test func `with few lines groups are summed, some collectors are hidden, and a line says how many`() {
        let summed = Self.text(Self.view(events: 2), 14, 80)
        #expect(summed.contains("c4 ") && !summed.contains("  g1  ") && !summed.contains("GROUP  RUNS"), "\(summed)")
        let low = Self.text(Self.view(events: 2), 9, 80)
        #expect(low.contains("\n… no room for: groups, tracking, events\nCOLLECTOR "), "\(low)")
        #expect(summed.contains("1000"), "500 a second in each of 2 groups: \(summed)")
        let part = Self.text(Self.view(collectors: 40, state: { $0 == 30 ? "failed" : "active" }), 12, 80)
        #expect(part.contains("… 0 above, 33 below (j, k); not active: 1"), "\(part)")
        var scrolled = Self.view(collectors: 40)
        scrolled.offset = 35
        #expect(Self.text(scrolled, 12, 80).contains("… 33 above, 0 below (j, k); all are active"))
        #expect(Self.text(scrolled, 12, 80).contains("\nc40 "))
        let many = Self.text(Self.view(findings: 9), 24, 80)
        #expect(many.contains("… 7 more findings: reuseport-agent status"), "\(many)")
    }

    @Test func `40 columns keep names, state, groups and rates; 200 have the trend, too`() {
        let narrow = Self.text(Self.view(), 24, 40)
        #expect(narrow.contains("COLLECTOR  STATE       GROUP  RUNS/S"), "\(narrow)")
        #expect(narrow.contains("\n● 4 of 4 active, 4000 runs/s\n"), "\(narrow)")
        var wide = Self.view()
        wide.trends = ["c1": [1, 5, 10]]
        #expect(Self.text(wide, 24, 200).contains("▁▄█"))
    }

    @Test func `an unreachable agent is shown with time and cause, above its last answer`() {
        var view = Self.view()
        view.rates = nil
        view.trouble = "cannot show the status: no agent answers at /run/a.sock (ENOENT); start it"
        view.answerTime = "17:02:40"
        let text = Self.text(view, 24, 80)
        #expect(text.contains("\nno answer since 17:02:40: cannot show the status: no agent answers"), "\(text)")
        #expect(text.contains("c4 ") && text.contains("–"))
        var never = WatchView()
        never.trouble = "no agent"
        #expect(Self.text(never, 24, 80).contains("no answer yet: no agent"))
    }

    @Test func `40 columns show in full why the agent doesn't answer and how old the figures are, without color`() {
        var view = Self.view()
        view.trouble =
            "cannot show the status: no agent listens at /run/reuseport-agent/control.sock any more, and its collectors "
            + "keep what they had (ECONNREFUSED); start it (reuseport-agent run --config FILE), or name its socket"
        (view.answerTime, view.age) = ("17:02:40", 75.9)
        let frame = view.frame(.init(lines: 40, columns: 40))
        let text = frame.map(\.plain).joined(separator: " ")
        #expect(text.contains("run --config FILE), or name its socket"), "\(text)")
        #expect(text.contains("○ 75 s ago: 4 of 4 active") && !text.contains("● 4 of 4"), "\(text)")
        let table = frame.drop { !$0.plain.hasPrefix("COLLECTOR") }
        #expect(table.count > 4 && table.allSatisfy { $0.pieces.allSatisfy { $0.style == .faint } })
        let low = view.frame(.init(lines: 12, columns: 40)).map(\.plain)
        #expect(low.contains { $0.hasSuffix(" …") } && low.contains { $0.hasPrefix("COLLECTOR") }, "\(low)")
        #expect(Figure.age(0.5) == "0 s" && Figure.age(119.9) == "119 s" && Figure.age(120) == "2 min")
        #expect(Figure.age(7_200) == "2 h" && Figure.age(.infinity) == "0 s")
    }

    @Test func `after scrolling past the end, one step back shows another row`() {
        var view = Self.view(collectors: 30, groups: 1)
        view.offset = 8_192
        let size = TerminalFacts.Size(lines: 20, columns: 80)
        let end = view.frame(size).map(\.plain)
        #expect((1..<30).contains(view.offset) && end.contains { $0.contains(", 0 below") }, "\(end)")
        view.offset -= 1
        #expect(view.frame(size).map(\.plain).contains { $0.contains(", 1 below") })
        view.offset = 7
        _ = view.frame(.init(lines: 60, columns: 80))
        #expect(view.offset == 0)
    }

    @Test func `overdue usage is shown as status shows it`() {
        var view = Self.view(events: 2, findings: 1)
        #expect(!Self.text(view, 24, 80).contains("usage"))
        view.status?.usage = UsageStatus(pendingEvents: 3, lastError: "no receiver", isOverdue: true)
        #expect(Self.text(view, 24, 80).contains("✗ usage is overdue, 3 events wait: no receiver"))
    }

    @Test func `rates are differences over time; a counter that went back counts from 0, a new one has no rate`() {
        var old = Pictures.status(collectors: 2, groups: 1, number: 100)
        var new = Pictures.status(collectors: 3, groups: 1, number: 300)
        old.collectors[1].groups["g1"]!.runs = 1_000
        new.collectors[1].groups["g1"]!.runs = 50
        let rates = PoolRates(from: old, to: new, seconds: 4)
        #expect(rates.members["c1"]?["g1"] == .init(runs: 50, bytes: 50, drops: 50))
        #expect(rates.members["c2"]?["g1"]?.runs == 12.5 && rates.members["c3"] == nil)
        #expect(rates.groups["g1"]?.selected == 50 && rates.total.runs == 62.5)
        let busiest = rates.busiest(of: Array(new.collectors.prefix(2)))
        #expect(busiest?.name == "c1" && busiest?.ratio == 1.6)
        new.collectors[0].weight = 9
        #expect(rates.busiest(of: Array(new.collectors.prefix(2)))?.name == "c2")
        #expect(PoolRates(from: new, to: new, seconds: 1).busiest(of: new.collectors) == nil)
    }
}
