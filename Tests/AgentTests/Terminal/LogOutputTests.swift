import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// What a running agent writes, and where.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct LogOutputTests {
    @Test func `in a file each line of stderr is a JSON object with time, level, message and pool`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            for name in ["c9", "\"\\\u{1}\n{}"] { try LogFixture.refuse(name) }
            agent.process.send(SIGTERM)
            try agent.process.wait()
            let objects = try LogFixture.messages(agent.process.errorOutput)
            #expect(objects.count >= 7)
            for object in objects {
                #expect(object["pool"] == "edge" && object["time"]?.hasSuffix("Z") == true, "\(object)")
                #expect(["notice", "warning"].contains(object["level"] ?? ""), "\(object)")
            }
            #expect(objects.first?["control"] == AgentFixture.controlPath)
            #expect(objects.last?["message"]?.hasPrefix("signal 15: the agent stops") == true)
            let second = try agent.command(["run", "--config", "/nowhere.yaml"])
            #expect(second.exitCode == 2)
            #expect(try LogFixture.messages(second.errorOutput).map { $0["level"] } == ["error"])
            _ = collectors
        }
    }

    @Test func `a failed start is reported in the requested format, with the pool if it is known`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            func run(_ file: String, _ format: String...) throws -> String {
                let result = try agent.command(["run", "--config", file] + format)
                #expect(result.exitCode != 0 && result.errorOutput.split(separator: "\n").count == 1)
                return result.errorOutput
            }
            for format in [[], ["--log-format", "json"]] {
                let second = try LogFixture.messages(
                    format.isEmpty ? run(agent.configurationPath) : run(agent.configurationPath, "--log-format", "json")
                )
                #expect(second[0]["pool"] == "edge" && second[0]["level"] == "error", "\(second)")
                #expect(second[0]["message"]?.contains("another process listens there") == true)
            }
            #expect(try LogFixture.messages(run("/run/nonesuch"))[0]["pool"] == nil)
            let human = try run("/run/nonesuch", "--log-format", "human")
            #expect(
                human.contains(#/^20[0-9-]+ [0-9:]+ error   cannot read the configuration /run/nonesuch/#), "\(human)")
            let exec = try agent.command(["exec", "--collector", "c1", "--log-format", "json", "--", "/nope"])
            #expect(exec.exitCode == 127)
            let refused = try LogFixture.messages(exec.errorOutput)
            #expect(refused.count == 1 && refused[0]["collector"] == "c1" && refused[0]["level"] == "error")
            #expect(refused[0]["message"]?.hasPrefix("cannot run /nope: there is no such file (ENOENT)") == true)
        }
    }

    @Test func `with JOURNAL_STREAM fields reach journald's socket; without the socket lines have a <N> prefix`()
        async throws
    {
        try await Sandbox.run { sandbox in
            mkdir("/run/systemd", 0o755)
            mkdir("/run/systemd/journal", 0o755)
            let journal = try FakeJournal()
            let script = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec \"$0\" \"$@\""
            let agent = try LogFixture.start(
                ["sh", "-c", script, AgentUnderTest.program, "run", "--config", try LogFixture.file(in: sandbox)],
                in: sandbox)
            let first = try #require(journal.next())
            #expect(
                first.hasPrefix(
                    "PRIORITY=5\nSYSLOG_IDENTIFIER=reuseport-agent\nMESSAGE=pool edge is ready\nPOOL=edge\n"),
                "\(first)")
            #expect(first.contains("CONTROL=/run/reuseport-agent/control.sock\n"))
            try LogFixture.refuse("c9")
            let second = try #require(journal.next())
            #expect(second.hasPrefix("PRIORITY=4\n") && second.contains("MESSAGE=cannot register c9: "), "\(second)")
            #expect(agent.errorOutput == "")
            // A journald that reads nothing doesn't block the agent, although its socket has room for few records.
            for index in 0..<200 { try LogFixture.refuse("y\(index)") }
            var taken = 0
            while taken < 200, journal.next() != nil { taken += 1 }
            #expect(taken == 200)
            #expect(!waitBriefly(.milliseconds(500)) { journal.waiting() != nil })
            journal.close()
            try LogFixture.refuse("c8")
            #expect(
                waitUntil(.seconds(5)) { agent.errorOutput.hasPrefix("<4>cannot register c8: ") },
                "\(agent.errorOutput)")
            agent.send(SIGTERM)
            #expect(try agent.wait() == 0)
        }
    }

    @Test func `--log-level debug adds refused questions; warning leaves out notices`() async throws {
        try await Sandbox.run { sandbox in
            let path = try LogFixture.file(in: sandbox)
            for (level, hasDebug, hasNotice) in [
                ("debug", true, true), ("info", false, true), ("warning", false, false),
            ] {
                let agent = try LogFixture.start(
                    [AgentUnderTest.program, "run", "--config", path, "--log-level", level], in: sandbox)
                _ = try LogFixture.client.send(.explain(addresses: ["nonsense"]), act: "try")
                _ = try LogFixture.client.send(
                    .plan(ConfigurationChange(remove: ["c77"])), act: "try")
                try LogFixture.refuse("c9")
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
    func `exec writes sentences, or with --log-format json an object a line, from its minimum level on`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collector = [AgentUnderTest.program, "demo-collector"]
            func exec(_ name: String, _ flags: [String]) throws -> ChildProcess {
                try agent.start(["exec", "--collector", name] + flags + ["--"] + collector)
            }
            let plain = try exec("c1", [])
            let json = try exec("c2", ["--log-format", "json"])
            let quiet = try exec("c3", ["--log-format", "json", "--log-level", "warning"])
            let refused = try exec("c9", ["--log-format", "json", "--log-level", "warning"])
            #expect(
                waitUntil(.seconds(20)) { plain.errorOutput.hasPrefix("reuseport-agent: c1 is registered: groups ") })
            #expect(waitUntil(.seconds(20)) { json.errorOutput.contains("c2 is registered") })
            let object = try #require(try LogFixture.messages(json.errorOutput).first)
            #expect(object["collector"] == "c2" && object["level"] == "notice" && object["pool"] == nil)
            #expect(waitUntil(.seconds(20)) { (try? agent.isActive("c3")) ?? false })
            #expect(quiet.errorOutput == "")
            #expect(waitUntil(.seconds(20)) { refused.errorOutput.contains("has no collector of that name") })
            #expect(try LogFixture.messages(refused.errorOutput).first?["level"] == "warning")
            for process in [plain, json, quiet, refused] { process.send(SIGTERM) }
        }
    }

    @Test func `on a terminal the log has time, level and message in color; with NO_COLOR no color`() async throws {
        try await Sandbox.run { sandbox in
            let path = try LogFixture.file(in: sandbox)
            for (variable, hasColor) in [("", true), ("1", false)] {
                let terminal = try PseudoTerminal(lines: 24, columns: 80)
                let agent = try terminal.start(
                    ["sh", "-c", "exec \(AgentUnderTest.program) run --config \(path) 2>&1"], in: sandbox,
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
