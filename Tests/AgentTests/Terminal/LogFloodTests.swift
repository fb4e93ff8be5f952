import Glibc
import TelemetryLab
import Testing
import TestSupport

/// Thousands of messages: nobody reads them, or they repeat.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct LogFloodTests {
    @Test func `with a full pipe for a log registration continues, and a later reader learns how many lines were lost`()
        async throws
    {
        try await Sandbox.run { sandbox in
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let agent = try LogFixture.start(
                [AgentUnderTest.program, "run", "--config", try LogFixture.file(in: sandbox)], in: sandbox,
                descriptors: [2: ends[1]])
            close(ends[1])
            let before = try #require(AgentFootprint.memory(of: agent.pid))
            for index in 0..<10_000 { try LogFixture.refuse("x\(index)") }
            let collector = try CollectorSockets("c1")
            let registered = try CommandResult.of(
                AgentUnderTest.program,
                ["register", "--collector", "c1", "--pid", "\(try LogFixture.holder(of: collector, in: sandbox).pid)"],
                in: sandbox)
            #expect(registered.exitCode == 0, "\(registered)")
            let after = try #require(AgentFootprint.memory(of: agent.pid))
            #expect(after < before + 16_384, "KiB: from \(before) to \(after)")
            // Now the test reads the pipe.
            _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
            var text: [UInt8] = []
            func read() {
                var part = [UInt8](repeating: 0, count: 65_536)
                while true {
                    let count = Glibc.read(ends[0], &part, part.count)
                    guard count > 0 else { return }
                    text += part[..<count]
                }
            }
            let isTold = waitUntil(.seconds(20)) {
                read()
                return String(decoding: text, as: UTF8.self).contains("because nobody took them: ")
            }
            #expect(isTold)
            agent.send(SIGTERM)
            try agent.wait()
            read()
            close(ends[0])
            let objects = try LogFixture.messages(String(decoding: text, as: UTF8.self))
            let told = objects.compactMap { $0["message"] }
            let names = told.filter { $0.contains("cannot register x") }.count
            let lost = told.first { $0.contains("because nobody took them: ") }?.split(separator: " ").last.flatMap {
                Int($0)
            }
            #expect(names > 500 && names < 9_000, "\(names)")
            // The message of the registration is lost, too.
            #expect((lost ?? 0) + names >= 10_000 && (lost ?? 0) + names <= 10_010, "\(names) and \(lost ?? 0)")
        }
    }

    @Test func `a collector that registers 1,000 times causes some lines and their sums, not thousands`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            // A small table: what 2,000 changes of the rows cost isn't the subject.
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: "table_size: 4096"))
            let holder = try LogFixture.holder(of: try CollectorSockets("c1"), in: sandbox)
            for _ in 0..<1_000 {
                guard
                    case .changed(let came) = try LogFixture.client.send(
                        .registerProcess(collector: "c1", pid: holder.pid), act: "try"), came.changed,
                    case .changed(let went) = try LogFixture.client.send(.unregister(collector: "c1"), act: "try"),
                    went.changed
                else { throw LabError("it did not change") }
            }
            agent.process.send(SIGTERM)
            try agent.process.wait()
            let told = try LogFixture.messages(agent.process.errorOutput).compactMap { $0["message"] }
            #expect(told.count < 40, "\(told.count)")
            for what in ["is registered: groups ipfix, bmp", "is unregistered"] {
                let records = told.filter { $0.contains("collector c1 \(what)") }
                let sums = records.compactMap { text in
                    text.firstRange(of: "(repeated ").flatMap { range in
                        let rest = text[range.upperBound...]
                        return rest.hasPrefix("once") ? 1 : Int(rest.prefix { $0.isNumber })
                    }
                }
                #expect(sums.reduce(0, +) + records.count - sums.count == 1_000, "\(records)")
            }
        }
    }
}
