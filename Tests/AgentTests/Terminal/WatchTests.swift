import Glibc
import TelemetryLab
import Testing
import TestSupport

/// `status --watch` on terminals, with a running agent.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct WatchTests {
    private static let command = [AgentUnderTest.program, "status", "--watch", "--interval", "0.2"]

    private static func withAgent(
        _ body: @escaping @Sendable (Sandbox, AgentFixture, [CollectorSockets]) throws -> Void
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            try body(sandbox, agent, try agent.registerFour())
        }
    }

    @Test func `watch shows rates on the alternate screen without a cursor; q restores all with exit 0`()
        async throws
    {
        try await Self.withAgent { sandbox, agent, collectors in
            let screen = try WatchedScreen(Self.command, in: sandbox)
            #expect(screen.shows("● 4 of 4 active"), "\(screen.picture.text)\(screen.process.errorOutput)")
            #expect(screen.picture.isOther && !screen.picture.hasCursor && !screen.terminal.isCooked)
            let senders = try (0..<UInt32(40)).map { try InternetSocket(.udp, bind: .v4(0x0a05_0000 + $0)) }
            let isCounting = screen.shows { text in
                for sender in senders { try? sender.send([1], to: .v4(0x7f00_0001), 4_739) }
                return text.split(separator: "\n").filter { $0.contains("● active") && $0.contains("█") }.count == 4
            }
            #expect(isCounting, "\(screen.picture.text)")
            #expect(screen.picture.text.contains("busiest c") && screen.picture.hasColor)
            #expect(screen.picture.unknown == [] && screen.picture.outside == 0)
            screen.terminal.type("q")
            #expect(screen.hasEnded(with: 0), "\(String(describing: screen.process.exitCode))")
            _ = collectors
        }
    }

    @Test(arguments: ["\u{3}", "\u{4}", "TERM", "HUP", "INT", "hang up"])
    func `Ctrl-C, Ctrl-D, SIGTERM, SIGHUP, SIGINT and a closed window end watch and restore the terminal`(
        how: String
    ) async throws {
        try await Self.withAgent { sandbox, agent, collectors in
            let screen = try WatchedScreen(Self.command, in: sandbox)
            #expect(screen.shows("● 4 of 4 active"))
            switch how {
            case "TERM": screen.process.send(SIGTERM)
            case "HUP": screen.process.send(SIGHUP)
            case "INT": screen.process.send(SIGINT)
            case "hang up": screen.terminal.hangUp()
            default: screen.terminal.type(how)
            }
            if how == "hang up" {
                #expect([0, 1].contains(try screen.process.wait(.seconds(15))))
            } else {
                #expect(screen.hasEnded(with: 0), "\(String(describing: screen.process.exitCode))")
            }
            #expect(screen.process.errorOutput == "")
            _ = collectors
        }
    }

    @Test(arguments: [SIGSEGV, SIGILL, SIGABRT])
    func `a crash ends watch by its signal and restores the terminal`(signal: Int32) async throws {
        try await Self.withAgent { sandbox, agent, collectors in
            let screen = try WatchedScreen(Self.command, in: sandbox)
            #expect(screen.shows("● 4 of 4 active"))
            screen.process.send(signal)
            #expect(screen.hasEnded(with: -signal), "\(String(describing: screen.process.exitCode))")
            _ = collectors
        }
    }

    @Test func `at sizes from 200 x 50 to 20 x 3 watch uses the whole screen and writes nothing outside`()
        async throws
    {
        try await Self.withAgent { sandbox, agent, collectors in
            let screen = try WatchedScreen(Self.command, in: sandbox)
            #expect(screen.shows("● 4 of 4 active"))
            for (lines, columns, text) in [
                (50, 200, "TREND"), (24, 80, "BYTES/S"), (24, 40, "RUNS/S"), (7, 80, "below (j, k)"), (3, 20, "●"),
                (30, 100, "every 0.2 s  q quits"),
            ] {
                screen.resize(lines: lines, columns: columns)
                #expect(screen.shows { $0.contains(text) }, "\(columns) x \(lines):\n\(screen.picture.text)")
                let picture = screen.picture
                #expect(picture.lines.count <= lines && picture.lines.allSatisfy { $0.count <= columns })
                #expect(picture.outside == 0, "\(columns) x \(lines)")
            }
            screen.terminal.type("q")
            #expect(screen.hasEnded(with: 0))
            _ = collectors
        }
    }

    @Test func `watch shows a killed agent with the time of its last answer, and continues with the next agent`()
        async throws
    {
        try await Self.withAgent { sandbox, agent, collectors in
            let screen = try WatchedScreen(Self.command, in: sandbox)
            #expect(screen.shows("● 4 of 4 active"))
            try agent.kill()
            #expect(screen.shows { $0.contains("no answer since ") && $0.contains("c4 ") }, "\(screen.picture.text)")
            try agent.restart()
            #expect(
                screen.shows { $0.contains("● 4 of 4 active") && !$0.contains("no answer") }, "\(screen.picture.text)")
            agent.process.send(SIGSTOP)
            #expect(screen.shows(.seconds(30)) { $0.contains("no answer since ") }, "\(screen.picture.text)")
            screen.terminal.type("q")
            #expect(screen.hasEnded(with: 0), "while the agent says nothing")
            agent.process.send(SIGCONT)
            _ = collectors
        }
    }

    @Test func `watch waits for an agent that hasn't started and then shows the pool`() async throws {
        try await Sandbox.run { sandbox in
            let screen = try WatchedScreen(Self.command, in: sandbox)
            #expect(
                screen.shows("no answer yet: cannot show the status: no agent answers at"), "\(screen.picture.text)")
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            #expect(screen.shows("○ empty"), "\(screen.picture.text)")
            screen.terminal.type("q")
            #expect(screen.hasEnded(with: 0))
            _ = agent
        }
    }

    @Test func `SIGTERM ends watch on a terminal stopped by Ctrl-S and restores the terminal`() async throws {
        try await Self.withAgent { sandbox, agent, collectors in
            let screen = try WatchedScreen(Self.command, in: sandbox)
            #expect(screen.shows("● 4 of 4 active"))
            screen.terminal.type("\u{13}")
            usleep(1_000_000)
            screen.process.send(SIGTERM)
            #expect(screen.hasEnded(with: 0), "\(String(describing: screen.process.exitCode))")
            _ = collectors
        }
    }

    @Test func `Ctrl-Z gives the terminal to the shell, fg draws the screen anew`() async throws {
        try await Self.withAgent { sandbox, agent, collectors in
            let script = sandbox.newPath("script")
            try FileText.write(
                "set -m\n\(Self.command.joined(separator: " "))\necho stopped; read line; fg; echo end $?\n", to: script
            )
            let screen = try WatchedScreen(["sh", "-c", "exec bash \(script) 2>&1"], in: sandbox)
            #expect(screen.shows("● 4 of 4 active"), "\(screen.picture.text)\(screen.process.errorOutput)")
            screen.terminal.type("\u{1a}")
            #expect(screen.shows("stopped"), "\(screen.picture.text)")
            #expect(!screen.picture.isOther && screen.picture.hasCursor && screen.terminal.isCooked)
            screen.terminal.type("\n")
            #expect(screen.shows { _ in screen.picture.isOther } && screen.shows("● 4 of 4 active"))
            screen.terminal.type("q")
            #expect(screen.shows("end 0"), "\(screen.picture.text)")
            #expect(screen.hasEnded(with: 0))
            _ = collectors
        }
    }

    @Test func `NO_COLOR and --color never keep marks without color, --color always has both; TERM=dumb gets lines`()
        async throws
    {
        try await Self.withAgent { sandbox, agent, collectors in
            for (arguments, environment, hasColor) in [
                ([], [:], true), ([], ["NO_COLOR": "1"], false), (["--color", "never"], [:], false),
                (["--color", "always"], ["NO_COLOR": "1"], true),
            ] as [([String], [String: String], Bool)] {
                for command in [
                    Self.command, [AgentUnderTest.program, "status"], [AgentUnderTest.program, "check", "--live"],
                ] {
                    let screen = try WatchedScreen(command + arguments, in: sandbox, environment: environment)
                    #expect(screen.shows(command[1] == "check" ? "✓ sources" : "● active"))
                    #expect(screen.picture.hasColor == hasColor, "\(command) \(arguments) \(environment)")
                    screen.terminal.type("q")
                    #expect(screen.hasEnded(with: 0))
                }
            }
            let dumb = try WatchedScreen(Self.command, in: sandbox, environment: ["TERM": "dumb"])
            #expect(dumb.shows { $0.occurrences(of: "pool edge, ") >= 2 })
            #expect(!dumb.terminal.output.contains(0x1b))
            dumb.process.send(SIGTERM)
            try dumb.process.wait()
            _ = collectors
        }
    }

    @Test func `in a pipe watch repeats the tables, or with --json an object a line, until the reader closes it`()
        async throws
    {
        try await Self.withAgent { sandbox, agent, collectors in
            let plain = try ChildProcess(Self.command, in: sandbox)
            #expect(waitUntil(.seconds(15)) { plain.output.occurrences(of: "pool edge, ") >= 3 })
            #expect(!plain.output.contains("\u{1b}") && plain.output.contains("\n\npool edge, "))
            let json = try ChildProcess(Self.command + ["--json"], in: sandbox)
            #expect(waitUntil(.seconds(15)) { json.output.occurrences(of: "\n") >= 3 })
            #expect(json.output.split(separator: "\n").allSatisfy { $0.hasPrefix("{\"assignment\":") })
            try agent.kill()
            #expect(waitUntil(.seconds(15)) { plain.errorOutput.contains("no agent listens at") })
            usleep(1_000_000)
            #expect(plain.errorOutput.occurrences(of: "no agent listens at") == 1 && plain.exitCode == nil)
            try agent.restart()
            let count = plain.output.occurrences(of: "pool edge, ")
            #expect(waitUntil(.seconds(15)) { plain.output.occurrences(of: "pool edge, ") > count })
            let script = "set -o pipefail; \(AgentUnderTest.program) status --watch --interval 3600 | true"
            let piped = try ChildProcess(["bash", "-c", script], in: sandbox)
            #expect(try piped.wait(.seconds(15)) == 1 && piped.errorOutput == "", "at once, not an hour later")
            for process in [plain, json] { process.send(SIGTERM) }
            _ = collectors
        }
    }
}
