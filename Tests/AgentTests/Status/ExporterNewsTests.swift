import Glibc
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// Events of exporters, from the program to the agent and on to its readers.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct ExporterNewsTests {
    @Test func `3 new exporters are reported one by one, 500 more in one sentence, and a move with its collectors`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(
                    hold: "300ms", extra: "tracking: {interval: 1s}\non_move: immediate"))
            var collectors = try agent.registerFour()
            let reader = try EventReader()
            func events(_ kind: PoolEvent.Kind) throws -> [PoolEvent] { try reader.events().filter { $0.kind == kind } }
            func send(_ index: UInt32) throws {
                let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0000 + index))
                try? exporter.send([1], to: .v4(0x7f00_0001), 4_739)
            }

            for index in 0..<UInt32(3) { try send(index) }
            #expect(waitUntil(.seconds(10)) { ((try? events(.newExporter)) ?? []).count == 3 })
            #expect(try events(.newExporter).map(\.exporter) == ["10.0.0.0", "10.0.0.1", "10.0.0.2"])
            let home = try #require(try events(.newExporter)[0].collector)
            usleep(1_100_000)

            for index in 100..<UInt32(600) { try send(index) }
            #expect(waitUntil(.seconds(10)) { ((try? events(.newExporter)) ?? []).contains { $0.exporter == nil } })
            let told = try events(.newExporter).dropFirst(3)
            let summed = told.filter { $0.exporter == nil }.compactMap { Int($0.text.prefix { $0.isNumber }) }
            #expect(told.count { $0.exporter != nil } + summed.reduce(0, +) == 500)
            // 20 in each second, and the second's sum.
            #expect(told.count < 100)

            collectors.removeAll { $0.name == home }
            #expect(
                waitUntil(.seconds(20), every: .milliseconds(100)) {
                    try? send(0)
                    return ((try? events(.moved)) ?? []).contains { $0.exporter == "10.0.0.0" }
                })
            let moved = try #require(try events(.moved).first { $0.exporter == "10.0.0.0" })
            #expect(moved.text.hasSuffix("and was at \(home)") && moved.collector != home)
            let status = try JSON.decode(PoolStatus.self, from: Array(agent.get("/status").body.utf8))
            #expect(status.tracking?.tracked == 503)
        }
    }

    @Test func `active counts the exporters that sent within the last interval`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: "tracking: {interval: 2s}"))
            let collectors = try agent.registerFour()
            let exporters = try (0..<50).map { try InternetSocket(.udp, bind: .v4(0x0a00_0000 + UInt32($0))) }
            func active() -> Int? {
                let body = (try? agent.get("/status").body) ?? ""
                return (try? JSON.decode(PoolStatus.self, from: Array(body.utf8)))?.tracking?.active
            }
            var seen: [Int?] = []
            waitUntil(.seconds(30), every: .milliseconds(100)) {
                for exporter in exporters { try? exporter.send([1], to: .v4(0x7f00_0001), 4_739) }
                for collector in collectors { _ = collector.udp.receiveWaiting() }
                seen.append(active())
                return seen.last == 50
            }
            #expect(seen.last == 50, "\(seen)")
            #expect(waitUntil(.seconds(30), every: .milliseconds(200)) { active() == 0 }, "silent for an interval")
        }
    }
}

@Suite struct NewsPauseTests {
    @Test func `20 exporters a second are reported singly and the rest summed at its end`() {
        var pause = NewsPause()
        let start = ContinuousClock.now
        let before = pause.summary(now: start)
        #expect(pause.end == nil && before == nil)
        let said = (0..<100).count { _ in pause.maySay(now: start) }
        #expect(said == 20)
        let end = start + .seconds(1)
        let summaries = [end - .nanoseconds(1), end, end].map { pause.summary(now: $0) }
        #expect(summaries == [nil, "80 more exporters are new or have moved", nil] && pause.end == nil)
        let isSaid = pause.maySay(now: end)
        #expect(isSaid)
        let after = pause.summary(now: start + .seconds(3))
        #expect(after == nil, "nothing was left unsaid")
    }
}
