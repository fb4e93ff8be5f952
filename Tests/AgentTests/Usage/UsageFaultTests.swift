import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import AgentCore

/// System calls of the agent's disk jobs that fail for a while: nothing is lost by it,
/// and nothing is there twice. Each job has a thread, of which strace counts the calls.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct UsageFaultTests {
    /// - Parameter fault: of strace's `inject=`.
    private static func with(_ fault: String, _ lab: UsageLab, _ body: () throws -> Void) throws {
        let trace = lab.agent.sandbox.newPath("trace")
        let call = fault.prefix { $0 != ":" }
        let tracer = try lab.traced(["-o", trace, "-e", "trace=\(call)", "-e", "inject=\(fault)"])
        try body()
        tracer.send(SIGTERM)
        try tracer.wait()
        let calls = FileText.read(trace) ?? ""
        #expect(calls.contains("(INJECTED)") || calls.contains("(DELAYED)"), "nothing failed: \(calls)")
    }

    @Test func `the folder's fsync fails (EIO) while intervals are merged into the last batch: each byte once`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let gate = try UsageGate(in: sandbox)
            let lab = try UsageLab(in: sandbox, target: gate.target, limit: "64KiB")
            try lab.fillQueue(to: 64 << 10)
            // The file's is the first.
            try Self.with("fsync:error=EIO:when=2", lab) {
                for _ in 1...5 { try lab.send(for: .milliseconds(200)) }
                #expect(
                    waitUntil(.seconds(20)) {
                        lab.agent.process.errorOutput.contains("could not be synced (EIO): a crash of the machine may")
                    })
            }
            try gate.open()
            #expect(try lab.agent.command(["reload"]).exitCode == 0)
            try lab.expectExactly(within: .seconds(90), events: gate.events)
            #expect(try waitUntil(.seconds(20)) { try lab.status()?.lastError == nil })
        }
    }

    @Test(arguments: ["fsync:error=EIO:when=2", "fsync:error=EIO:when=1", "rename:error=EIO", "pread64:error=EIO"])
    func `calls of keeping, reading, appending and settling fail: each byte once, and no batch is called lost`(
        _ fault: String
    ) async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let lab = try UsageLab(in: sandbox)
            try Self.with(fault, lab) {
                for _ in 1...5 { try lab.send(for: .milliseconds(200)) }
            }
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly(events: lab.fileEvents)
            #expect(!lab.agent.process.errorOutput.contains("not delivered"), "\(lab.agent.process.errorOutput)")
        }
    }

    /// The newest batch's file is emptied: fsync of the file, then of the folder. The others' go.
    @Test(arguments: ["fsync:error=EIO:when=2", "fsync:error=EIO:when=1"])
    func `the folder's fsync fails (EIO) when delivered batches leave the queue: each key's bytes once, none is lost`(
        _ fault: String
    ) async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let gate = try UsageGate(in: sandbox)
            let lab = try UsageLab(in: sandbox, target: gate.target)
            for _ in 1...3 { try lab.send(for: .milliseconds(200)) }
            // What the disk refuses for good is counted on, and isn't delivered meanwhile.
            lab.expectAllKept()
            try Self.with(fault, lab) {
                try gate.open()
                #expect(try lab.agent.command(["reload"]).exitCode == 0)
                try lab.expectExactly {
                    var keys: Set<String> = []
                    return try gate.events().filter { keys.insert($0.idempotencyKey).inserted }
                }
            }
            #expect(try lab.agent.command(["reload"]).exitCode == 0)
            #expect(try waitUntil(.seconds(20)) { try lab.status()?.pendingEvents == 0 })
            #expect(!lab.agent.process.errorOutput.contains("not delivered"), "\(lab.agent.process.errorOutput)")
        }
    }

    @Test(arguments: ["eventfd2:error=EMFILE", "clone3:error=EAGAIN"])
    func `no thread can be started for the disk: the loop does its work, each byte comes once, and it is said once`(
        _ fault: String
    ) async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let lab = try UsageLab(in: sandbox)
            try Self.with(fault, lab) {
                for _ in 1...3 { try lab.send(for: .milliseconds(200)) }
                try lab.expectExactly(events: lab.fileEvents)
            }
            let lines = lab.agent.process.errorOutput.split(separator: "\n")
            #expect(lines.count { $0.contains("without threads") } == 1, "\(lines)")
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly(events: lab.fileEvents)
        }
    }

    @Test func `the last batch can't be read at the start: the agent serves, tells, and goes on from it later`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let lab = try UsageLab(in: sandbox)
            try lab.send(for: .milliseconds(300))
            try lab.expectExactly(events: lab.fileEvents)
            try lab.agent.kill()
            let name = try #require(FileText.names(in: lab.queue).last)
            let batch = "\(lab.queue)/\(name)"
            try #require(rename(batch, batch + ".away") == 0 && symlink(batch, batch) == 0)
            try lab.agent.restart()
            #expect(try lab.status()?.lastError?.contains("may have what was counted last (ELOOP)") == true)
            try lab.send(for: .milliseconds(200))
            try #require(rename(batch + ".away", batch) == 0)
            try lab.expectExactly(events: lab.fileEvents)
            #expect(try lab.status()?.lastError == nil)
        }
    }

    @Test
    func `SIGTERM while a reload reads the queue, 0.3 s a call: the agent ends in order, and leaves no socket file`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let lab = try UsageLab(in: sandbox)
            try lab.send(for: .milliseconds(300))
            try lab.expectExactly(events: lab.fileEvents)
            try lab.configureWithoutUsage()
            usleep(500_000)
            try Self.with("pread64:delay_enter=300000", lab) {
                try lab.configure()
                lab.agent.process.send(SIGTERM)
                #expect(waitUntil(.seconds(20)) { access(AgentFixture.controlPath, F_OK) != 0 })
            }
            #expect(try lab.agent.process.wait() == 0)
        }
    }
}
