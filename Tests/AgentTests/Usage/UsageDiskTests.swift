import Glibc
import PoolModel
import TelemetryLab
import Testing

@testable import AgentCore

/// Usage events on a disk that takes its time: the agent has other things to do.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct UsageDiskTests {
    @Test func `while the disk takes 40 s for a batch of removed usage, the agent answers and loses no byte`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            let disk = try SlowDisk(of: fixture, "fsync", in: sandbox)
            try fixture.send(for: .milliseconds(500))
            try disk.expectNoWait(fixture) {
                try fixture.configureWithoutUsage()
                #expect(try fixture.status() == nil)
            }
            try disk.end()
            try fixture.configure()
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly(events: fixture.fileEvents)
        }
    }

    @Test func `while the disk takes 40 s for each read of returning usage, the agent answers and continues`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try fixture.send(for: .milliseconds(300))
            try fixture.expectExactly(events: fixture.fileEvents)
            try fixture.configureWithoutUsage()
            usleep(500_000)
            let disk = try SlowDisk(of: fixture, "pread64", in: sandbox)
            try disk.expectNoWait(fixture) {
                try fixture.configure()
                #expect(try fixture.status() == UsageStatus())
            }
            try disk.end()
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly(events: fixture.fileEvents)
        }
    }

    @Test func `while a batch for a command takes 40 s to read, registrations continue and no byte is lost`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let taken = sandbox.newPath("taken")
            let fixture = try UsageFixture(in: sandbox, target: "command: [/bin/sh, -c, \"cat >> \(taken)\"]")
            let disk = try SlowDisk(of: fixture, "pread64", in: sandbox)
            try fixture.send(for: .milliseconds(500))
            try disk.expectNoWait(fixture) { try fixture.registerAll() }
            try disk.end()
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly { try UsageFixture.events(FileText.read(taken) ?? "") }
        }
    }

    @Test func `while a full queue's last batch takes 40 s to read, registrations continue and the sum is exact`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let gate = try UsageGate(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, target: gate.target, limit: "64KiB")
            try fixture.fillQueue(to: 64 << 10)
            let disk = try SlowDisk(of: fixture, "pread64", in: sandbox)
            try fixture.send(for: .milliseconds(500))
            try disk.expectNoWait(fixture) { try fixture.registerAll() }
            try disk.end()
            try gate.open()
            #expect(try fixture.agent.command(["reload"]).exitCode == 0)
            try fixture.expectExactly(within: .seconds(90), events: gate.events)
        }
    }

    @Test func `SIGTERM while the disk takes 40 s for a batch waits 2 s and loses no byte`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            let disk = try SlowDisk(of: fixture, "fsync", in: sandbox)
            try fixture.send(for: .milliseconds(500))
            fixture.agent.process.send(SIGTERM)
            // The thread that strace holds keeps what is left of it from being reaped.
            let process = "/proc/\(fixture.agent.process.pid)/stat"
            #expect(waitUntil(.seconds(30)) { FileText.read(process)?.contains(") Z ") == true })
            try disk.end(by: SIGKILL)
            #expect(try fixture.agent.process.wait() == 0)
            try fixture.agent.restart()
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly(events: fixture.fileEvents)
        }
    }

    @Test
    func `the agent's loop makes no call on the queue's files`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let gate = try UsageGate(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, target: gate.target, limit: "64KiB")
            try fixture.fillQueue(to: 64 << 10)
            try Self.expectOffLoop(fixture, fixture.queue + "/", ["pread64", "write", "fsync", "rename", "unlink"]) {
                for _ in 1...3 { try fixture.send(for: .milliseconds(200)) }
                try gate.open()
                fixture.agent.process.send(SIGHUP)
                try fixture.expectExactly(within: .seconds(90), events: gate.events)
            }
        }
    }

    @Test func `the agent's loop makes no call on the events' file`() async throws {
        try await Sandbox.run { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try Self.expectOffLoop(fixture, fixture.file, ["openat", "pread64", "write", "fsync"]) {
                for _ in 1...3 { try fixture.send(for: .milliseconds(200)) }
                try fixture.expectExactly(events: fixture.fileEvents)
            }
        }
    }

    /// - Parameter calls: that are made on the path, by other threads.
    private static func expectOffLoop(
        _ fixture: UsageFixture, _ path: String, _ calls: [String], _ body: () throws -> Void
    )
        throws
    {
        let trace = fixture.agent.sandbox.newPath("trace")
        let tracer = try fixture.traced(["-y", "-o", trace, "-e", "trace=%file,%desc"])
        try body()
        tracer.send(SIGTERM)
        try tracer.wait()
        let lines = (FileText.read(trace) ?? "").split(separator: "\n").filter { $0.contains(path) }
        let loop = lines.filter { $0.hasPrefix("\(fixture.agent.process.pid) ") }
        #expect(loop.isEmpty, "\(loop.prefix(5))")
        for call in calls { #expect(lines.contains { $0.contains(" \(call)(") }, "\(call)") }
    }
}

/// Calls of the agent's that take 40 s each.
private final class SlowDisk {
    private let call: String
    private let tracer: ChildProcess
    private let trace: String

    /// From here on.
    init(of fixture: UsageFixture, _ call: String, in sandbox: Sandbox) throws {
        self.call = call
        trace = sandbox.newPath("trace")
        tracer = try fixture.traced([
            "-o", trace, "-e", "trace=\(call)", "-e", "inject=\(call):delay_enter=40000000",
        ])
    }

    /// - Parameter change: while calls take 40 s each, it and 3 answers take less time than one.
    func expectNoWait(_ fixture: UsageFixture, _ change: () throws -> Void) throws {
        let start = ContinuousClock.now
        try change()
        for _ in 1...3 { _ = try fixture.status() }
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    /// - Parameter signal: for strace, which after an agent's end no longer hears SIGTERM.
    func end(by signal: Int32 = SIGTERM) throws {
        tracer.send(signal)
        try tracer.wait()
        // One is under way: none comes to its end that early.
        let calls = FileText.read(trace) ?? ""
        #expect(calls.contains("\(call)("), "nothing was slow: \(calls)")
    }
}
