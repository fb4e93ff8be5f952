import Glibc
import TelemetryLab

/// The program under test, run inside a sandbox.
public final class AgentFixture {
    public let sandbox: Sandbox
    public let configurationPath: String
    public private(set) var process: ChildProcess
    private let program: String
    /// A command that runs the agent, for example setpriv with its flags; empty if there is none.
    private let launcher: [String]

    public static let controlPath = "/run/reuseport-agent/control.sock"
    public static let statusPath = "/run/reuseport-agent/status.sock"

    /// A pool like the examples': groups ipfix and bmp at 0.0.0.0, short hold.
    public static func configuration(
        collectors: [String] = ["c1", "c2", "c3", "c4"], address: String = "0.0.0.0", hold: String = "10s",
        extra: String = ""
    ) -> String {
        """
        pool: edge
        collectors: [\(collectors.joined(separator: ", "))]
        groups:
          - {name: ipfix, protocol: udp, address: "\(address)", port: 4739}
          - {name: bmp, protocol: tcp, address: "\(address)", port: 1790}
        restart_hold: \(hold)
        \(extra)\(SlowMachine.isHere ? "\n\(SlowMachine.keys)" : "")
        """
    }

    /// Starts the agent and waits until it answers.
    public init(
        in sandbox: Sandbox, program: String, configuration: String = AgentFixture.configuration(),
        launcher: [String] = []
    ) throws {
        self.sandbox = sandbox
        self.launcher = launcher
        self.program = program
        configurationPath = sandbox.newPath("agent.yaml")
        try FileText.write(configuration, to: configurationPath)
        process = try Self.start(launcher + [program], configurationPath, sandbox)
    }

    public func kill() throws {
        process.send(SIGKILL)
        try process.wait()
    }

    public func restart() throws { process = try Self.start(launcher + [program], configurationPath, sandbox) }

    /// Starts an agent without waiting for it, for a test that works during the start.
    public func startWithoutWaiting() throws -> ChildProcess {
        try ChildProcess([program, "run", "--config", configurationPath], in: sandbox)
    }

    public func adopt(_ process: ChildProcess) { self.process = process }

    /// Runs a command of the program to its end.
    public func command(
        _ arguments: [String], descriptors: [Int32: Int32] = [:], user: UInt32? = nil,
        environment: [String: String] = [:]
    ) throws -> CommandResult {
        try CommandResult(program, arguments, sandbox, descriptors, user, environment)
    }

    /// Starts a command of the program without waiting for its end.
    public func start(_ arguments: [String], descriptors: [Int32: Int32] = [:]) throws -> ChildProcess {
        try ChildProcess([program] + arguments, in: sandbox, descriptors: descriptors)
    }

    /// A GET on the status socket: the HTTP status and the body.
    public func get(_ path: String) throws -> (status: Int, body: String) {
        let curl = try ChildProcess(
            [
                "curl", "-s", "-w", "\n%{http_code}", "--max-time", "60", "--unix-socket", Self.statusPath,
                "http://agent\(path)",
            ],
            in: sandbox)
        try curl.wait()
        let lines = curl.output.split(separator: "\n", omittingEmptySubsequences: false)
        return (lines.last.flatMap { Int($0) } ?? 0, lines.dropLast().joined(separator: "\n"))
    }

    private static func start(_ program: [String], _ configuration: String, _ sandbox: Sandbox) throws -> ChildProcess {
        let process = try ChildProcess(program + ["run", "--config", configuration], in: sandbox)
        // "is ready" is logged after both sockets listen.
        let isReady = waitUntil(.seconds(60), every: .milliseconds(5)) {
            process.errorOutput.contains("is ready") || process.exitCode != nil
        }
        guard isReady, process.exitCode == nil else {
            let state = process.exitCode.map { "exit \($0)" } ?? "it runs, and isn't ready"
            throw LabError("the agent did not start (\(state)): \(process.errorOutput)")
        }
        return process
    }
}

/// What a command printed and how it ended.
public struct CommandResult: Sendable {
    public let exitCode: Int32
    public let output: String
    public let errorOutput: String

    init(
        _ program: String, _ arguments: [String], _ sandbox: Sandbox, _ descriptors: [Int32: Int32] = [:],
        _ user: UInt32? = nil, _ environment: [String: String] = [:]
    ) throws {
        let process = try ChildProcess(
            [program] + arguments, in: sandbox, environment: environment, descriptors: descriptors, user: user)
        exitCode = try process.wait(.seconds(60))
        output = process.output
        errorOutput = process.errorOutput
    }

    /// A command without a running agent.
    public static func of(
        _ program: String, _ arguments: [String], in sandbox: Sandbox, user: UInt32? = nil,
        environment: [String: String] = [:]
    ) throws -> CommandResult {
        try CommandResult(program, arguments, sandbox, [:], user, environment)
    }
}
