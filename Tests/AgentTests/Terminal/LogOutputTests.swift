import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import AgentCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a running agent writes, where, and what becomes of it when nobody reads.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct LogOutputTests {
    private static let client = ControlClient(path: AgentFixture.controlPath, timeout: .seconds(10))

    /// A refusal that the log tells with its collector's name.
    private static func refuse(_ name: String) throws {
        let reply = try client.send(.registerProcess(collector: name, pid: getpid()), act: "try")
        guard case .failure = reply else { throw LabError("not refused: \(reply)") }
    }

    private static func file(in sandbox: Sandbox) throws -> String {
        let path = sandbox.newPath("agent.yaml")
        try FileText.write(AgentFixture.configuration(), to: path)
        return path
    }

    /// Starts the agent's command line and waits until it answers.
    private static func start(
        _ arguments: [String], in sandbox: Sandbox, descriptors: [Int32: Int32] = [:]
    ) throws -> ChildProcess {
        let process = try ChildProcess(arguments, in: sandbox, descriptors: descriptors)
        let answers = waitUntil(.seconds(20)) { (try? client.send(.status, act: "try")) != nil }
        guard answers else { throw LabError("no agent: \(process.errorOutput)") }
        return process
    }

    private static func messages(_ text: String) throws -> [[String: String]] {
        try text.split(separator: "\n").map { try JSONDecoder().decode([String: String].self, from: Data($0.utf8)) }
    }

    @Test func `stderr to a file: each line is a JSON object with time, level, message and pool, to the last one`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            let collectors = try agent.registerFour()
            for name in ["c9", "\"\\\u{1}\n{}"] { try Self.refuse(name) }
            agent.process.send(SIGTERM)
            try agent.process.wait()
            let objects = try Self.messages(agent.process.errorOutput)
            #expect(objects.count >= 7)
            for object in objects {
                #expect(object["pool"] == "edge" && object["time"]?.hasSuffix("Z") == true, "\(object)")
                #expect(["notice", "warning"].contains(object["level"] ?? ""), "\(object)")
            }
            #expect(objects.first?["control"] == AgentFixture.controlPath)
            #expect(objects.last?["message"]?.hasPrefix("signal 15: the agent stops") == true)
            let second = try agent.command(["run", "--config", "/nowhere.yaml"])
            #expect(second.exitCode == 2)
            #expect(try Self.messages(second.errorOutput).map { $0["level"] } == ["error"])
            _ = collectors
        }
    }

    @Test func `run that can't start says so in the shape that is asked for, with its pool where that is known`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            func run(_ file: String, _ format: String...) throws -> String {
                let result = try agent.command(["run", "--config", file] + format)
                #expect(result.exitCode != 0 && result.errorOutput.split(separator: "\n").count == 1)
                return result.errorOutput
            }
            for format in [[], ["--log-format", "json"]] {
                let second = try Self.messages(
                    format.isEmpty ? run(agent.configurationPath) : run(agent.configurationPath, "--log-format", "json")
                )
                #expect(second[0]["pool"] == "edge" && second[0]["level"] == "error", "\(second)")
                #expect(second[0]["message"]?.contains("another process listens there") == true)
            }
            #expect(try Self.messages(run("/run/nonesuch"))[0]["pool"] == nil)
            let human = try run("/run/nonesuch", "--log-format", "human")
            #expect(
                human.contains(#/^20[0-9-]+ [0-9:]+ error   cannot read the configuration /run/nonesuch/#), "\(human)")
            let exec = try agent.command(["exec", "--collector", "c1", "--log-format", "json", "--", "/nope"])
            #expect(exec.exitCode == 127)
            let refused = try Self.messages(exec.errorOutput)
            #expect(refused.count == 1 && refused[0]["collector"] == "c1" && refused[0]["level"] == "error")
            #expect(refused[0]["message"]?.hasPrefix("cannot run /nope: there is no such file (ENOENT)") == true)
        }
    }

    @Test func `10,000 messages into a pipe that nobody reads: registration goes on; read at last, the loss is told`()
        async throws
    {
        try await Sandbox.run { sandbox in
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let agent = try Self.start(
                [Subject.program, "run", "--config", try Self.file(in: sandbox)], in: sandbox,
                descriptors: [2: ends[1]])
            close(ends[1])
            let before = try #require(AgentFootprint.memory(of: agent.pid))
            for index in 0..<10_000 { try Self.refuse("x\(index)") }
            let collector = try CollectorSockets("c1")
            let registered = try CommandResult.of(
                Subject.program,
                ["register", "--collector", "c1", "--pid", "\(try Self.holder(of: collector, in: sandbox).pid)"],
                in: sandbox)
            #expect(registered.exitCode == 0, "\(registered)")
            let after = try #require(AgentFootprint.memory(of: agent.pid))
            #expect(after < before + 16_384, "KiB: from \(before) to \(after)")
            // Now somebody reads.
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
            let objects = try Self.messages(String(decoding: text, as: UTF8.self))
            let told = objects.compactMap { $0["message"] }
            let names = told.filter { $0.contains("cannot register x") }.count
            let lost = told.first { $0.contains("because nobody took them: ") }?.split(separator: " ").last.flatMap {
                Int($0)
            }
            #expect(names > 500 && names < 9_000, "\(names)")
            // What was registered is among the lost, too.
            #expect((lost ?? 0) + names >= 10_000 && (lost ?? 0) + names <= 10_010, "\(names) and \(lost ?? 0)")
        }
    }

    private static func holder(of collector: CollectorSockets, in sandbox: Sandbox) throws -> ChildProcess {
        try ChildProcess(
            ["sleep", "1000"], in: sandbox, descriptors: [5: collector.udp.number, 6: collector.tcp.number])
    }

    @Test func `a collector that comes and goes 1,000 times writes some lines and their sums, not thousands`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            // A small table: what 2,000 changes of the rows cost isn't the subject.
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program,
                configuration: AgentFixture.configuration(extra: "table_size: 4096"))
            let holder = try Self.holder(of: try CollectorSockets("c1"), in: sandbox)
            for _ in 0..<1_000 {
                guard
                    case .changed(let came) = try Self.client.send(
                        .registerProcess(collector: "c1", pid: holder.pid), act: "try"), came.changed,
                    case .changed(let went) = try Self.client.send(.unregister(collector: "c1"), act: "try"),
                    went.changed
                else { throw LabError("it did not change") }
            }
            agent.process.send(SIGTERM)
            try agent.process.wait()
            let told = try Self.messages(agent.process.errorOutput).compactMap { $0["message"] }
            #expect(told.count < 40, "\(told.count)")
            for what in ["is registered: slot 0", "is unregistered: slot 0"] {
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

    @Test func `JOURNAL_STREAM that is stderr's: fields reach journald's socket; it gone, lines with <N> are written`()
        async throws
    {
        try await Sandbox.run { sandbox in
            mkdir("/run/systemd", 0o755)
            mkdir("/run/systemd/journal", 0o755)
            let journal = try FakeJournal()
            let script = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec \"$0\" \"$@\""
            let agent = try Self.start(
                ["sh", "-c", script, Subject.program, "run", "--config", try Self.file(in: sandbox)], in: sandbox)
            let first = try #require(journal.next())
            #expect(
                first.hasPrefix(
                    "PRIORITY=5\nSYSLOG_IDENTIFIER=reuseport-agent\nMESSAGE=pool edge is ready\nPOOL=edge\n"),
                "\(first)")
            #expect(first.contains("CONTROL=/run/reuseport-agent/control.sock\n"))
            try Self.refuse("c9")
            let second = try #require(journal.next())
            #expect(second.hasPrefix("PRIORITY=4\n") && second.contains("MESSAGE=cannot register c9: "), "\(second)")
            #expect(agent.errorOutput == "")
            // One that takes nothing keeps nobody waiting: its socket has room for a few.
            for index in 0..<200 { try Self.refuse("y\(index)") }
            var taken = 0
            while taken < 200, journal.next() != nil { taken += 1 }
            #expect(taken == 200)
            #expect(!waitBriefly(.milliseconds(500)) { journal.waiting() != nil })
            journal.close()
            try Self.refuse("c8")
            #expect(
                waitUntil(.seconds(5)) { agent.errorOutput.hasPrefix("<4>cannot register c8: ") },
                "\(agent.errorOutput)")
            agent.send(SIGTERM)
            #expect(try agent.wait() == 0)
        }
    }

    @Test func `--log-level: refused questions are told from debug on, notices not from warning on`() async throws {
        try await Sandbox.run { sandbox in
            let path = try Self.file(in: sandbox)
            for (level, hasDebug, hasNotice) in [
                ("debug", true, true), ("info", false, true), ("warning", false, false),
            ] {
                let agent = try Self.start(
                    [Subject.program, "run", "--config", path, "--log-level", level], in: sandbox)
                _ = try Self.client.send(.explain(addresses: ["nonsense"]), act: "try")
                _ = try Self.client.send(
                    .plan(ConfigurationChange(remove: ["c77"])), act: "try")
                try Self.refuse("c9")
                #expect(waitUntil(.seconds(5)) { agent.errorOutput.contains("cannot register c9") })
                #expect(agent.errorOutput.contains("nonsense") == hasDebug, "\(level): \(agent.errorOutput)")
                #expect(agent.errorOutput.contains("c77") == hasDebug, "\(level)")
                #expect(agent.errorOutput.contains("is ready") == hasNotice, "\(level)")
                agent.send(SIGTERM)
                try agent.wait()
            }
        }
    }

    @Test
    func `exec says sentences; with --log-format json an object a line with its collector, and only from its level on`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            let collector = [Subject.program, "demo-collector"]
            func exec(_ name: String, _ flags: [String]) throws -> ChildProcess {
                try agent.start(["exec", "--collector", name] + flags + ["--"] + collector)
            }
            let plain = try exec("c1", [])
            let json = try exec("c2", ["--log-format", "json"])
            let quiet = try exec("c3", ["--log-format", "json", "--log-level", "warning"])
            let refused = try exec("c9", ["--log-format", "json", "--log-level", "warning"])
            #expect(
                waitUntil(.seconds(20)) { plain.errorOutput.hasPrefix("reuseport-agent: c1 is registered: slot 0") })
            #expect(waitUntil(.seconds(20)) { json.errorOutput.contains("c2 is registered") })
            let object = try #require(try Self.messages(json.errorOutput).first)
            #expect(object["collector"] == "c2" && object["level"] == "notice" && object["pool"] == nil)
            #expect(waitUntil(.seconds(20)) { (try? agent.isActive("c3")) ?? false })
            #expect(quiet.errorOutput == "")
            #expect(waitUntil(.seconds(20)) { refused.errorOutput.contains("has no collector of that name") })
            #expect(try Self.messages(refused.errorOutput).first?["level"] == "warning")
            for process in [plain, json, quiet, refused] { process.send(SIGTERM) }
        }
    }

    @Test func `on a terminal: time, level and message for people, coloured; NO_COLOR without`() async throws {
        try await Sandbox.run { sandbox in
            let path = try Self.file(in: sandbox)
            for (variable, hasColor) in [("", true), ("1", false)] {
                let terminal = try PseudoTerminal(lines: 24, columns: 80)
                let agent = try terminal.start(
                    ["sh", "-c", "exec \(Subject.program) run --config \(path) 2>&1"], in: sandbox,
                    environment: ["NO_COLOR": variable])
                let isReady = waitUntil(.seconds(20)) {
                    terminal.read()
                    return String(decoding: terminal.output, as: UTF8.self).contains("pool edge is ready")
                }
                #expect(isReady)
                let text = String(decoding: terminal.output, as: UTF8.self)
                #expect(text.contains("\u{1b}[") == hasColor, "\(text)")
                #expect(
                    text.replacing(/\u{1b}\[[0-9;]*m/, with: "").contains(
                        /^\d\d:\d\d:\d\d notice  pool edge is ready  control=/))
                agent.send(SIGTERM)
                try agent.wait()
            }
        }
    }
}

/// journald's socket, read by the test.
private final class FakeJournal {
    private let number: Int32

    init() throws {
        number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: JournalMessage.path.utf8) }
        let result = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw LabError("bind: errno \(errno)") }
    }

    /// The next record, which is due; nil: it does not come.
    func next() -> String? {
        var record: String?
        waitUntil(.seconds(20)) {
            record = waiting()
            return record != nil
        }
        return record
    }

    /// The next record, if it has come.
    func waiting() -> String? {
        var part = [UInt8](repeating: 0, count: 65_536)
        let length = recv(number, &part, part.count, 0)
        return length < 0 ? nil : String(decoding: part[..<length], as: UTF8.self)
    }

    func close() {
        Glibc.close(number)
        unlink(JournalMessage.path)
    }
}
