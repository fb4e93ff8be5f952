import Glibc
import SockArrayCore
import TelemetryLab
import TestSupport

/// A command under `exec`.
struct Exec {
    let process: ChildProcess
    private let sandbox: Sandbox

    /// The collector that is built into the program: binds all at once, then prints `ready`.
    static let collector = [AgentUnderTest.program, "demo-collector"]

    /// A first process of a PID namespace of its own, in the sandbox's network namespace.
    static let asFirstProcess = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

    init(
        _ command: [String] = Exec.collector, as name: String = "c1", in sandbox: Sandbox, options: [String] = [],
        prefix: [String] = [], user: UInt32? = nil, descriptors: [Int32: Int32] = [:]
    ) throws {
        self.sandbox = sandbox
        process = try ChildProcess(
            prefix + [AgentUnderTest.program, "exec", "--collector", name] + options + ["--"] + command, in: sandbox,
            descriptors: descriptors, user: user)
    }

    /// Returns when it has tried to register so often from now on, and has the answers. It asks for the
    /// pool's groups each time before.
    func waitUntilTried(_ count: Int) throws -> Bool {
        let trace = sandbox.newPath("trace")
        let tracer = try ChildProcess(
            ["strace", "-qq", "-o", trace, "-p", "\(process.pid)", "-e", "trace=connect,close"], in: sandbox)
        let hasTried = waitUntil(.seconds(60)) { Self.exchanges(in: FileText.read(trace) ?? "") >= 2 * count }
        tracer.send(SIGTERM)
        try tracer.wait()
        return hasTried
    }

    /// Sockets that were connected, and then closed.
    private static func exchanges(in trace: String) -> Int {
        var (connected, count) = (Set<Substring>(), 0)
        for line in trace.split(separator: "\n") {
            let parts = line.split(separator: "(", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let number = parts[1].prefix(while: \.isNumber)
            if parts[0] == "connect" { connected.insert(number) }
            if parts[0] == "close", connected.remove(number) != nil { count += 1 }
        }
        return count
    }

    var said: String { process.errorOutput }

    func waitUntilSaid(_ text: String, _ limit: Duration = .seconds(10)) -> Bool {
        waitUntil(limit, every: .milliseconds(2)) { said.contains(text) || process.exitCode != nil }
            && said.contains(text)
    }

    func waitUntilPrinted(_ text: String) -> Bool {
        waitUntil(.seconds(10), every: .milliseconds(2)) { process.output.contains(text) }
    }

    /// Processes below it, the nearest first, zombies too, as the sandbox knows them.
    var processes: [Int32] { ProcessFacts.descendants(of: process.pid) }

    /// Sends a signal to a process of the sandbox's.
    func send(_ signal: Int32, to pid: Int32) throws { try Self.send(signal, to: pid, in: sandbox) }

    static func send(_ signal: Int32, to pid: Int32, in sandbox: Sandbox) throws {
        try ChildProcess(["kill", "-\(signal)", "\(pid)"], in: sandbox).wait()
    }
}

extension AgentFixture {
    /// The collector's pid in the status.
    func ownerPid(_ name: String = "c1") throws -> Int32? {
        let text = try command(["status", "--json"]).output
        guard let start = text.firstRange(of: "\"name\":\"\(name)\"")?.upperBound else { return nil }
        let rest = text[start...].prefix { $0 != "}" }
        guard let mark = rest.firstRange(of: "\"pid\":")?.upperBound else { return nil }
        return Int32(rest[mark...].prefix { $0.isNumber })
    }

    func isActive(_ name: String = "c1") throws -> Bool {
        let lines = try command(["status"]).output.split(separator: "\n")
        return lines.contains { $0.split(separator: " ").starts(with: [name[...]]) && $0.contains("active") }
    }
}
