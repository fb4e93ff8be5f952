import Glibc
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// System calls of the agent's disk jobs that fail for a while: nothing is lost by it,
/// and no event repeats. Each job has a thread, of which strace counts the calls.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct UsageFaultTests {
    /// - Parameter fault: of strace's `inject=`.
    private static func with(_ fault: String, _ fixture: UsageFixture, _ body: () throws -> Void) throws {
        let trace = fixture.agent.sandbox.newPath("trace")
        let call = fault.prefix { $0 != ":" }
        let tracer = try fixture.traced(["-o", trace, "-e", "trace=\(call)", "-e", "inject=\(fault)"])
        try body()
        tracer.send(SIGTERM)
        try tracer.wait()
        let calls = FileText.read(trace) ?? ""
        #expect(calls.contains("(INJECTED)") || calls.contains("(DELAYED)"), "nothing failed: \(calls)")
    }

    @Test func `when the folder's fsync fails (EIO) while intervals are merged, each byte counts once`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let gate = try UsageGate(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, target: gate.target, limit: "64KiB")
            try fixture.fillQueue(to: 64 << 10)
            // The file's is the first.
            try Self.with("fsync:error=EIO:when=2", fixture) {
                for _ in 1...5 { try fixture.send(for: .milliseconds(200)) }
                #expect(
                    waitUntil(.seconds(20)) {
                        fixture.agent.process.errorOutput.contains(
                            "could not be synced (EIO): a crash of the machine may")
                    })
            }
            try gate.open()
            #expect(try fixture.agent.command(["reload"]).exitCode == 0)
            try fixture.expectExactly(within: .seconds(90), events: gate.events)
            #expect(try waitUntil(.seconds(20)) { try fixture.status()?.lastError == nil })
        }
    }

    @Test(arguments: ["fsync:error=EIO:when=2", "fsync:error=EIO:when=1", "rename:error=EIO", "pread64:error=EIO"])
    func `when calls on queue and file fail, each byte counts once and no batch is reported as lost`(
        _ fault: String
    ) async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try Self.with(fault, fixture) {
                for _ in 1...5 { try fixture.send(for: .milliseconds(200)) }
            }
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly(events: fixture.fileEvents)
            #expect(
                !fixture.agent.process.errorOutput.contains("not delivered"), "\(fixture.agent.process.errorOutput)")
        }
    }

    /// The newest batch's file is emptied: fsync of the file, then of the folder. The others' go.
    @Test(arguments: ["fsync:error=EIO:when=2", "fsync:error=EIO:when=1"])
    func `when the folder's fsync fails (EIO) as batches leave the queue, each key counts once`(
        _ fault: String
    ) async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let gate = try UsageGate(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, target: gate.target)
            for _ in 1...3 { try fixture.send(for: .milliseconds(200)) }
            // While the disk refuses to store usage, it is still counted, and isn't delivered.
            fixture.expectAllKept()
            try Self.with(fault, fixture) {
                try gate.open()
                #expect(try fixture.agent.command(["reload"]).exitCode == 0)
                try fixture.expectExactly {
                    var keys: Set<String> = []
                    return try gate.events().filter { keys.insert($0.idempotencyKey).inserted }
                }
            }
            #expect(try fixture.agent.command(["reload"]).exitCode == 0)
            #expect(try waitUntil(.seconds(20)) { try fixture.status()?.pendingEvents == 0 })
            #expect(
                !fixture.agent.process.errorOutput.contains("not delivered"), "\(fixture.agent.process.errorOutput)")
        }
    }

    @Test(arguments: ["eventfd2:error=EMFILE", "clone3:error=EAGAIN"])
    func `without a thread for the disk the loop does its work, logs it once, and each byte counts once`(
        _ fault: String
    ) async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try Self.with(fault, fixture) {
                for _ in 1...3 { try fixture.send(for: .milliseconds(200)) }
                try fixture.expectExactly(events: fixture.fileEvents)
            }
            let lines = fixture.agent.process.errorOutput.split(separator: "\n")
            #expect(lines.count { $0.contains("no thread could be started") } == 1, "\(lines)")
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly(events: fixture.fileEvents)
        }
    }

    @Test func `with an unreadable last batch at the start, the agent serves, reports it, and continues from it later`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try fixture.send(for: .milliseconds(300))
            try fixture.expectExactly(events: fixture.fileEvents)
            try fixture.agent.kill()
            let name = try #require(FileText.names(in: fixture.queue).last)
            let batch = "\(fixture.queue)/\(name)"
            try #require(rename(batch, batch + ".away") == 0 && symlink(batch, batch) == 0)
            try fixture.agent.restart()
            #expect(try fixture.status()?.lastError?.contains("may have the last counts (ELOOP)") == true)
            try fixture.send(for: .milliseconds(200))
            try #require(rename(batch + ".away", batch) == 0)
            try fixture.expectExactly(events: fixture.fileEvents)
            #expect(try fixture.status()?.lastError == nil)
        }
    }

    @Test
    func `with a last batch that is unreadable at the start the agent serves, warns, and continues from it later`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try fixture.send(for: .milliseconds(300))
            try fixture.expectExactly(events: fixture.fileEvents)
            try fixture.agent.kill()
            let name = try #require(FileText.names(in: fixture.queue).last)
            let batch = "\(fixture.queue)/\(name)"
            try #require(rename(batch, batch + ".away") == 0 && symlink(batch, batch) == 0)
            try fixture.agent.restart()
            #expect(try fixture.status()?.lastError?.contains("may have the last counts (ELOOP)") == true)
            try fixture.send(for: .milliseconds(200))
            try #require(rename(batch + ".away", batch) == 0)
            try fixture.expectExactly(events: fixture.fileEvents)
            #expect(try fixture.status()?.lastError == nil)
        }
    }

    @Test
    func `SIGTERM while a reload reads a slow queue ends the agent in order and leaves no socket file`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try fixture.send(for: .milliseconds(300))
            try fixture.expectExactly(events: fixture.fileEvents)
            try fixture.configureWithoutUsage()
            usleep(500_000)
            try Self.with("pread64:delay_enter=300000", fixture) {
                try fixture.configure()
                fixture.agent.process.send(SIGTERM)
                #expect(waitUntil(.seconds(20)) { access(AgentFixture.controlPath, F_OK) != 0 })
            }
            #expect(try fixture.agent.process.wait() == 0)
        }
    }
}
