import Glibc
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// A file of usage events that can't be one.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct UsageTargetTests {
    private static func configuration(_ file: String, queue: String) -> String {
        AgentFixture.configuration(
            hold: "1s", extra: "usage: {interval: 100ms, to: {file: \(file)}, queue: {folder: \(queue)}}\n")
    }

    /// Paths that can't be a file of events, with the cause and the remedy.
    private static func unusable(in folder: String) throws -> [(path: String, cause: String, remedy: String)] {
        mkdir(folder + "/directory", 0o755)
        try FileText.write("", to: folder + "/plain")
        guard mkfifo(folder + "/fifo", 0o600) == 0, symlink("loop", folder + "/loop") == 0,
            symlink("nodir/x.jsonl", folder + "/dangling") == 0
        else {
            throw LabError("no fifo, or no link: errno \(errno)")
        }
        return [
            ("\(folder)/directory", "it is a directory (EISDIR)", "give the path of a file in it"),
            ("\(folder)/nodir/x.jsonl", "its folder \(folder)/nodir doesn't exist (ENOENT)", "create the folder"),
            ("\(folder)/dangling", "its folder \(folder)/nodir doesn't exist (ENOENT)", "create the folder"),
            ("\(folder)/plain/x.jsonl", "\(folder)/plain is not a directory (ENOTDIR)", "correct the path"),
            ("\(folder)/plain/y/x.jsonl", "its folder \(folder)/plain/y doesn't exist (ENOTDIR)", "correct the path"),
            ("\(folder)/fifo", "it is not a regular file", "give the path of one"),
            ("\(folder)/loop", "it can't be found (ELOOP)", "give another path"),
        ]
    }

    @Test func `7 unusable paths of an events file are exit 2 of check, run, plan and reload, with the cause`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let paths = try Self.unusable(in: sandbox.folder)
            let file = sandbox.newPath("edge.yaml")
            let queue = sandbox.folder + "/queue"
            func expectRefusal(_ result: CommandResult, _ what: (path: String, cause: String, remedy: String)) {
                let text = result.output + result.errorOutput
                #expect(result.exitCode == 2, "\(text)")
                #expect(text.contains("cannot use usage.to.file \(what.path): \(what.cause)"), "\(text)")
                #expect(text.contains(what.remedy), "\(text)")
            }
            mkdir("/sys/fs/bpf/reuseport-agent", 0o755)
            for path in paths {
                try FileText.write(Self.configuration(path.path, queue: queue), to: file)
                // An agent that starts waits for a folder.
                for command in path.remedy == "create the folder" ? ["check"] : ["check", "run"] {
                    expectRefusal(
                        try CommandResult.of(AgentUnderTest.program, [command, "--config", file], in: sandbox), path)
                }
            }
            #expect(FileText.names(in: "/sys/fs/bpf/reuseport-agent").isEmpty && access(queue, F_OK) != 0)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            for path in paths {
                try FileText.write(Self.configuration(path.path, queue: queue), to: agent.configurationPath)
                for command in ["plan", "reload"] { expectRefusal(try agent.command([command]), path) }
            }
            #expect(access(sandbox.folder + "/nodir", F_OK) != 0 && access(queue, F_OK) != 0)
            try FileText.write(Self.configuration(sandbox.folder + "/x", queue: queue), to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 0)
        }
    }

    @Test func `an events file beside the queue gets its folder with the queue's; check makes nothing`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("edge.yaml")
            let folder = sandbox.folder + "/state"
            try FileText.write(Self.configuration(folder + "/x.jsonl", queue: folder + "/queue"), to: file)
            let check = try CommandResult.of(AgentUnderTest.program, ["check", "--config", file], in: sandbox)
            #expect(check.exitCode == 0 && check.output.contains("✓ usage: file \(folder)/x.jsonl"), "\(check.output)")
            #expect(access(folder, F_OK) != 0)
            _ = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: Self.configuration(folder + "/x.jsonl", queue: folder + "/queue"))
            #expect(access(folder + "/queue", F_OK) == 0)
        }
    }

    @Test func `check refuses a directory as a command or as a file of headers`() async throws {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("edge.yaml")
            for (target, line) in [
                ("command: [/usr]", "✗ usage: command /usr: it can't be executed (EISDIR)"),
                ("url: \"http://[::1]/\", headers: /usr", "✗ usage: headers /usr: it can't be read (EISDIR)"),
            ] {
                let usage = "usage: {to: {\(target)}, queue: {folder: \(sandbox.folder)/queue}}\n"
                try FileText.write(AgentFixture.configuration(extra: usage), to: file)
                let check = try CommandResult.of(AgentUnderTest.program, ["check", "--config", file], in: sandbox)
                #expect(check.exitCode == 6 && check.output.contains(line), "\(check.output)")
            }
        }
    }

    @Test func `check by a user without access to the folder notes this with exit 0`() async throws {
        try await Sandbox.run { sandbox in
            let file = sandbox.newPath("edge.yaml")
            let user: UInt32 = 1_000
            let unit = try UnitFile("reuseport-agent.service")
            mkdir("/run/reuseport-agent", 0o755)
            chown("/run/reuseport-agent", user, user)
            try unit.prepare(in: sandbox, user: user)
            // The queue's.
            let own = "/run/reuseport-agent/queue"
            let launcher = UnitFile.launcher(user: user, capabilities: unit.capabilities)
            func note(_ path: String) throws -> String {
                try FileText.write(Self.configuration(path, queue: own), to: file)
                let check = try CommandResult.of(
                    launcher[0], Array(launcher.dropFirst()) + [AgentUnderTest.program, "check", "--config", file],
                    in: sandbox)
                #expect(check.exitCode == 0, "\(check.output)")
                let lines = check.output.split(separator: "\n").map(String.init)
                let place = try #require(lines.firstIndex { $0.contains("usage: file \(path)") }, "\(check.output)")
                return lines[place...].prefix(2).joined(separator: "\n")
            }
            let closed = "/run/closed"
            mkdir(closed, 0o700)
            let unseen = try note(closed + "/nodir/x.jsonl")
            #expect(
                unseen == "– usage: file \(closed)/nodir/x.jsonl: the current user can't look there (EACCES)\n"
                    + "    check as the user that the agent will run as")
            mkdir("/run/open", 0o755)
            #expect(
                try note("/run/open/x.jsonl").hasPrefix("– usage: file /run/open/x.jsonl: the current user can't write")
            )
            try FileText.write("", to: "/run/reuseport-agent/unread.jsonl")
            chmod("/run/reuseport-agent/unread.jsonl", 0o222)
            #expect(
                try note("/run/reuseport-agent/unread.jsonl")
                    .hasPrefix("– usage: file /run/reuseport-agent/unread.jsonl: the current user can't read and write")
            )
            #expect(try note("/run/reuseport-agent/x.jsonl").hasPrefix("✓ usage: file /run/reuseport-agent/x.jsonl"))
        }
    }

    @Test(arguments: ["/mount/x.jsonl", "/link"])
    func `with a missing folder for the events file at boot the agent starts, warns, and waits for it`(
        _ name: String
    ) async throws {
        try await Sandbox.run { sandbox in
            let folder = sandbox.folder + "/mount"
            try #require(symlink("mount/x.jsonl", sandbox.folder + "/link") == 0)
            let fixture = try UsageFixture(in: sandbox, target: "file: \(sandbox.folder)\(name)")
            let said = "\(folder) doesn't exist (ENOENT); correct the path, or create the folder"
            #expect(waitUntil(.seconds(20)) { fixture.agent.process.errorOutput.contains(said) })
            #expect(fixture.agent.process.errorOutput.contains("usage events wait for it"))
            try fixture.send(for: .milliseconds(300))
            #expect(access(folder, F_OK) != 0)
            mkdir(folder, 0o755)
            try fixture.expectExactly { try UsageFixture.events(FileText.read(folder + "/x.jsonl") ?? "") }
        }
    }

    @Test func `without the file's folder a reload of another interval works, one to another file there is refused`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let folder = sandbox.folder + "/events"
            mkdir(folder, 0o755)
            let fixture = try UsageFixture(in: sandbox, target: "file: \(folder)/x.jsonl")
            try fixture.send(for: .milliseconds(200))
            try #require(rename(folder, folder + ".away") == 0)
            func commands(_ file: String) throws -> [Int32] {
                try FileText.write(
                    Self.configuration(file, queue: fixture.queue).replacing("100ms", with: "200ms"),
                    to: fixture.agent.configurationPath)
                return try ["plan", "reload"].map { try fixture.agent.command([$0]).exitCode }
            }
            #expect(try commands(folder + "/y.jsonl") == [2, 2])
            #expect(try commands(folder + "/x.jsonl") == [0, 0])
            try fixture.send(for: .milliseconds(200))
            try #require(rename(folder + ".away", folder) == 0)
            try fixture.expectExactly { try UsageFixture.events(FileText.read(folder + "/x.jsonl") ?? "") }
        }
    }

    @Test
    func `an events folder removed while the agent runs isn't recreated, and all events arrive when it is back`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let folder = sandbox.folder + "/events"
            mkdir(folder, 0o755)
            let file = folder + "/x.jsonl"
            let fixture = try UsageFixture(in: sandbox, target: "file: \(file)")
            try #require(rename(folder, folder + ".away") == 0)
            try fixture.send(for: .milliseconds(300))
            #expect(
                waitUntil(.seconds(20)) { fixture.agent.process.errorOutput.contains("could not be opened (ENOENT)") })
            #expect(access(folder, F_OK) != 0)
            try #require(rename(folder + ".away", folder) == 0)
            try fixture.expectExactly { try UsageFixture.events(FileText.read(file) ?? "") }
        }
    }
}
