import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import AgentCore

/// Usage events on a disk that takes its time: the agent has other things to do.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct UsageDiskTests {
    @Test func `usage leaves while the disk takes 40 s for a batch: the agent answers meanwhile, no byte is lost`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let lab = try UsageLab(in: sandbox)
            let disk = try SlowDisk(of: lab, "fsync", in: sandbox)
            try lab.send(for: .milliseconds(500))
            try disk.expectNoWait(lab) {
                try lab.configureWithoutUsage()
                #expect(try lab.status() == nil)
            }
            try disk.end()
            try lab.configure()
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly(events: lab.fileEvents)
        }
    }

    @Test func `usage comes back while the disk takes 40 s for each read: the agent answers meanwhile, and goes on`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let lab = try UsageLab(in: sandbox)
            try lab.send(for: .milliseconds(300))
            try lab.expectExactly(events: lab.fileEvents)
            try lab.configureWithoutUsage()
            usleep(500_000)
            let disk = try SlowDisk(of: lab, "pread64", in: sandbox)
            try disk.expectNoWait(lab) {
                try lab.configure()
                #expect(try lab.status() == UsageStatus())
            }
            try disk.end()
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly(events: lab.fileEvents)
        }
    }

    @Test func `a batch on its way to a command takes 40 s to be read: registrations go on, no byte is lost`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let taken = sandbox.newPath("taken")
            let lab = try UsageLab(in: sandbox, target: "command: [/bin/sh, -c, \"cat >> \(taken)\"]")
            let disk = try SlowDisk(of: lab, "pread64", in: sandbox)
            try lab.send(for: .milliseconds(500))
            try disk.expectNoWait(lab) { try lab.registerAll() }
            try disk.end()
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly { try UsageLab.events(FileText.read(taken) ?? "") }
        }
    }

    @Test func `a full queue's last batch takes 40 s to be read, to be merged: registrations go on, the sum is exact`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let gate = try UsageGate(in: sandbox)
            let lab = try UsageLab(in: sandbox, target: gate.target, limit: "64KiB")
            try lab.fillQueue(to: 64 << 10)
            let disk = try SlowDisk(of: lab, "pread64", in: sandbox)
            try lab.send(for: .milliseconds(500))
            try disk.expectNoWait(lab) { try lab.registerAll() }
            try disk.end()
            try gate.open()
            #expect(try lab.agent.command(["reload"]).exitCode == 0)
            try lab.expectExactly(within: .seconds(90), events: gate.events)
        }
    }

    @Test func `SIGTERM while the disk takes 40 s for a batch: the agent waits for 2 s of them, no byte is lost`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let lab = try UsageLab(in: sandbox)
            let disk = try SlowDisk(of: lab, "fsync", in: sandbox)
            try lab.send(for: .milliseconds(500))
            lab.agent.process.send(SIGTERM)
            // The thread that strace holds keeps what is left of it from being reaped.
            let process = "/proc/\(lab.agent.process.pid)/stat"
            #expect(waitUntil(.seconds(30)) { FileText.read(process)?.contains(") Z ") == true })
            try disk.end(by: SIGKILL)
            #expect(try lab.agent.process.wait() == 0)
            try lab.agent.restart()
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly(events: lab.fileEvents)
        }
    }

    @Test
    func `no call on the queue's files is of the agent's loop: keeping, merging, reading for a command, settling`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let gate = try UsageGate(in: sandbox)
            let lab = try UsageLab(in: sandbox, target: gate.target, limit: "64KiB")
            try lab.fillQueue(to: 64 << 10)
            try Self.expectOffLoop(lab, lab.queue + "/", ["pread64", "write", "fsync", "rename", "unlink"]) {
                for _ in 1...3 { try lab.send(for: .milliseconds(200)) }
                try gate.open()
                lab.agent.process.send(SIGHUP)
                try lab.expectExactly(within: .seconds(90), events: gate.events)
            }
        }
    }

    @Test func `no call on the events' file is of the agent's loop`() async throws {
        try await Sandbox.run { sandbox in
            let lab = try UsageLab(in: sandbox)
            try Self.expectOffLoop(lab, lab.file, ["openat", "pread64", "write", "fsync"]) {
                for _ in 1...3 { try lab.send(for: .milliseconds(200)) }
                try lab.expectExactly(events: lab.fileEvents)
            }
        }
    }

    /// - Parameter calls: that are made on the path, by other threads.
    private static func expectOffLoop(_ lab: UsageLab, _ path: String, _ calls: [String], _ body: () throws -> Void)
        throws
    {
        let trace = lab.agent.sandbox.newPath("trace")
        let tracer = try lab.traced(["-y", "-o", trace, "-e", "trace=%file,%desc"])
        try body()
        tracer.send(SIGTERM)
        try tracer.wait()
        let lines = (FileText.read(trace) ?? "").split(separator: "\n").filter { $0.contains(path) }
        let loop = lines.filter { $0.hasPrefix("\(lab.agent.process.pid) ") }
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
    init(of lab: UsageLab, _ call: String, in sandbox: Sandbox) throws {
        self.call = call
        trace = sandbox.newPath("trace")
        tracer = try lab.traced([
            "-o", trace, "-e", "trace=\(call)", "-e", "inject=\(call):delay_enter=40000000",
        ])
    }

    /// - Parameter change: while calls take 40 s each, it and 3 answers take less time than one.
    func expectNoWait(_ lab: UsageLab, _ change: () throws -> Void) throws {
        let start = ContinuousClock.now
        try change()
        for _ in 1...3 { _ = try lab.status() }
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
