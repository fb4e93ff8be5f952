import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// An agent that makes usage events, four collectors in this process, and exporters:
/// what the collectors' sockets get is counted.
final class UsageFixture {
    let agent: AgentFixture
    let file: String
    let queue: String
    /// Delivered to the collectors: payloads and UDP headers, and the TCP headers of SYNs.
    private(set) var bytes: UInt64 = 0
    private let interval: String
    private let sandbox: Sandbox
    private let collectors: [CollectorSockets]
    private let exporters: [InternetSocket]
    private var round: UInt64 = 0

    init(
        in sandbox: Sandbox, target: String? = nil, folder: String? = nil, interval: String = "100ms",
        limit: String = "64MiB",
        extra: String = ""
    ) throws {
        let folder = folder ?? sandbox.folder
        self.sandbox = sandbox
        file = folder + "/usage.jsonl"
        queue = folder + "/queue"
        self.interval = interval
        let target = target ?? "file: \(file)"
        agent = try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: Self.configuration(target, queue: queue, interval: interval, limit: limit, extra: extra))
        collectors = try (1...4).map { try CollectorSockets("c\($0)") }
        exporters = try (1...12).map { try InternetSocket(.udp, bind: .v4(0x0a00_0000 + $0)) }
        try registerAll()
    }

    private static func configuration(
        _ target: String, queue: String, interval: String, limit: String,
        collectors: [String] = ["c1", "c2", "c3", "c4"],
        groups: String? = nil, extra: String = ""
    ) -> String {
        let usage =
            "usage: {interval: \(interval), to: {\(target)}, queue: {folder: \(queue), limit: \(limit)}}\n" + extra
        return pool(collectors, groups: groups, extra: usage)
    }

    private static func pool(
        _ collectors: [String] = ["c1", "c2", "c3", "c4"], groups: String?, extra: String = ""
    ) -> String {
        guard let groups else { return AgentFixture.configuration(collectors: collectors, hold: "1s", extra: extra) }
        return "pool: edge\ncollectors: [\(collectors.joined(separator: ", "))]\nrestart_hold: 1s\n\(groups)\(extra)"
    }

    func configure(
        target: String? = nil, collectors: [String] = ["c1", "c2", "c3", "c4"], groups: String? = nil,
        limit: String = "64MiB", extra: String = ""
    ) throws {
        try FileText.write(
            Self.configuration(
                target ?? "file: \(file)", queue: queue, interval: interval, limit: limit, collectors: collectors,
                groups: groups, extra: extra), to: agent.configurationPath)
        let result = try agent.command(["reload"])
        guard result.exitCode == 0 else { throw LabError(result.errorOutput) }
    }

    func configureWithoutUsage(groups: String? = nil) throws {
        try FileText.write(Self.pool(groups: groups), to: agent.configurationPath)
        #expect(try agent.command(["reload"]).exitCode == 0)
    }

    func status() throws -> UsageStatus? {
        try JSON.decode(PoolStatus.self, from: Array(agent.command(["status", "--json"]).output.utf8)).usage
    }

    var queueSize: Int {
        FileText.names(in: queue).reduce(0) { $0 + (FileText.readBytes("\(queue)/\($1)")?.count ?? 0) }
    }

    /// Waits until the queue is that large, while the target takes no events.
    func fillQueue(to size: Int) throws {
        let isFull = try waitUntil(.seconds(60), every: .milliseconds(1)) {
            try sendRound()
            return queueSize > size
        }
        guard isFull else { throw LabError("the queue has \(queueSize) bytes") }
    }

    /// strace counts for each thread, and each disk job has one of its own.
    ///
    /// - Parameter call: `fsync:2`, the second of a thread.
    func ending(atCall call: String, options: [String]) throws -> ChildProcess {
        let (calls, step) = (call.split(separator: ":")[0], call.split(separator: ":").dropFirst().first ?? "1")
        return try traced(options + ["-o", "/dev/null", "-e", "inject=\(calls):signal=SIGKILL:when=\(step)"])
    }

    /// - Parameter options: of strace.
    func traced(_ options: [String]) throws -> ChildProcess {
        let tracer = try ChildProcess(["strace", "-f", "-qq", "-p", "\(agent.process.pid)"] + options, in: sandbox)
        guard waitUntil(.seconds(20), { agent.isTraced || agent.process.exitCode != nil }) else {
            throw LabError("strace does not trace: \(tracer.errorOutput)")
        }
        return tracer
    }

    func registerAll() throws {
        for collector in collectors {
            let result = try collector.register(with: agent)
            guard result.exitCode == 0 else { throw LabError(result.errorOutput) }
        }
    }

    func send(for time: Duration) throws {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end { try sendRound() }
    }

    /// A datagram of each exporter, of another length each time.
    func sendRound() throws {
        for exporter in exporters {
            round += 1
            try exporter.send([UInt8](repeating: 7, count: Int(1 + round * 31 % 900)), to: .v4(0x7f00_0001), 4_739)
        }
        usleep(1_000)
        receive()
    }

    private func receive() {
        for collector in collectors {
            for datagram in collector.udp.receiveWaiting() { bytes += UInt64(datagram.bytes.count) + 8 }
        }
    }

    func fileEvents() throws -> [UsageEvent] { try Self.events(FileText.read(file) ?? "") }

    /// - Throws: for half a line.
    static func events(_ text: String) throws -> [UsageEvent] {
        try text.split(separator: "\n").map { try JSON.decode(UsageEvent.self, from: Array($0.utf8)) }
    }

    /// Waits until queue and file have every byte: a reading that comes late after the registrations has
    /// traffic already, and its events leave the queue for the file.
    func expectAllKept(besides metered: UInt64 = 0) {
        receive()
        func kept() -> UInt64 {
            // The first line of a batch is the ledger.
            let lines = FileText.names(in: queue).filter { $0.hasSuffix(".jsonl") }
                .flatMap { (FileText.read("\(queue)/\($0)") ?? "").split(separator: "\n").dropFirst() }
            let events = ((try? Self.events(lines.joined(separator: "\n"))) ?? []) + ((try? fileEvents()) ?? [])
            // An event is in both for a moment.
            return Dictionary(events.map { ($0.idempotencyKey, $0.value) }, uniquingKeysWith: { first, _ in first })
                .values.reduce(0, +)
        }
        let all = bytes + metered
        #expect(waitUntil(.seconds(60), every: .milliseconds(50)) { kept() == all }, "\(kept()) of \(all)")
    }

    /// Waits until repeated events would have arrived: no event is pending and the target doesn't change.
    func waitForStillness(_ events: () throws -> [UsageEvent]) {
        var last: [String]?
        var repetitions = 0
        waitUntil(.seconds(60), every: .milliseconds(100)) {
            let keys = (try? events())?.map(\.idempotencyKey)
            repetitions = keys != nil && keys == last ? repetitions + 1 : 0
            last = keys
            // Where the agent can't say so, or the disk keeps a batch from leaving the queue, time has to do.
            return repetitions >= (hasDeliveredAll ? 2 : 5)
        }
    }

    private var hasDeliveredAll: Bool {
        let client = ControlClient(path: AgentFixture.controlPath, timeout: .seconds(60))
        guard case .status(let status)? = try? client.send(.status, act: "try") else { return false }
        return status.usage?.pendingEvents == 0
    }

    /// All comes, and no more than that; intervals of a series follow each other.
    func expectExactly(within limit: Duration = .seconds(60), events: () throws -> [UsageEvent]) throws {
        receive()
        func sum() -> UInt64 { ((try? events()) ?? []).reduce(0) { $0 + $1.value } }
        waitUntil(limit, every: .milliseconds(50)) { sum() >= bytes }
        waitForStillness(events)
        let all = try events()
        #expect(all.reduce(0) { $0 + $1.value } == bytes && bytes > 0, "\(agent.process.errorOutput)")
        #expect(Set(all.map(\.idempotencyKey)).count == all.count, "a key is there twice")
        for series in Dictionary(grouping: all, by: \.series).values {
            for event in series { #expect(event.value > 0 && event.eventStartTime < event.eventStopTime) }
            for (one, next) in zip(series, series.dropFirst()) { #expect(one.eventStopTime <= next.eventStartTime) }
        }
    }
}

/// A command that takes nothing until its gate is open.
final class UsageGate {
    private let gate: String
    private let taken: String
    let target: String

    init(in sandbox: Sandbox) throws {
        gate = sandbox.newPath("gate")
        taken = sandbox.newPath("taken")
        let script = sandbox.newPath("take.sh")
        try FileText.write("#!/bin/sh\n[ -e \(gate) ] && exec cat >> \(taken)\nexit 1\n", to: script)
        chmod(script, 0o755)
        target = "command: [\(script)]"
    }

    func open() throws { try FileText.write("", to: gate) }
    func events() throws -> [UsageEvent] { try UsageFixture.events(FileText.read(taken) ?? "") }
}

/// A receiver of POSTs, in a language that has one.
final class UsageReceiver {
    private let sandbox: Sandbox
    private let script: String
    private let received: String
    private var process: ChildProcess?
    let base = "http://[::1]:8099"
    var url: String { base + "/usage" }

    static var isThere: Bool {
        AgentUnderTest.mustRun
            || ["curl", "python3"].allSatisfy { name in
                let path = getenv("PATH").map { String(cString: $0) } ?? ""
                return path.split(separator: ":").contains { access("\($0)/\(name)", X_OK) == 0 }
            }
    }

    init(in sandbox: Sandbox) throws {
        self.sandbox = sandbox
        script = sandbox.newPath("receiver.py")
        received = sandbox.newPath("received")
        try FileText.write(
            """
            import http.server, json, socket, sys
            path, refusals, received = sys.argv[1], int(sys.argv[2]), sys.argv[3]
            class Receiver(http.server.BaseHTTPRequestHandler):
                def do_POST(self):
                    global refusals
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                    code = 200 if self.path == path else 301 if self.path == "/moved" else 400
                    if code == 200 and refusals > 0:
                        refusals, code = refusals - 1, 503
                    if code == 200:
                        with open(received, "a") as file:
                            for event in json.loads(body)["events"]:
                                file.write(json.dumps(event) + "\\n")
                    self.send_response(code)
                    self.send_header("Location", path)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                def log_message(self, *arguments):
                    pass
            class Server(http.server.HTTPServer):
                address_family = socket.AF_INET6
            Server(("::", 8099), Receiver).serve_forever()
            """, to: script)
    }

    func start(refusing count: Int, path: String = "/usage") throws {
        process = try ChildProcess(["python3", script, path, "\(count)", received], in: sandbox)
    }

    func stop() throws {
        process?.send(SIGKILL)
        try process?.wait()
    }

    func events() throws -> [UsageEvent] { try UsageFixture.events(FileText.read(received) ?? "") }
}
