import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import AgentCore

/// The meter of a cgroup, against packets of known sizes.
@Suite(.serialized, .enabled(if: MeterLab.isThere, "needs root, cgroup2 and python3")) struct MeterTests {
    @Test func `UDP of known sizes, IPv4 and IPv6, internal and external: each byte in its class, over an agent kill`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let meter = try MeterLab(in: sandbox)
            defer { meter.end() }
            let lab = try UsageLab(in: sandbox, extra: meter.configuration(internal: "10.0.0.0/8, \"fd00::/8\""))
            // 100 datagrams of 72 bytes: 100 of IPv4, 120 of IPv6.
            try meter.send(100, 72, from: "10.1.1.1", to: "10.2.2.2")
            try meter.send(100, 72, from: "10.1.1.1", to: "192.0.2.9")
            try lab.agent.kill()
            try meter.send(100, 72, from: "fd00::1", to: "fd00::2")
            try lab.agent.restart()
            try meter.send(100, 72, from: "fd00::1", to: "2001:db8::9")
            try meter.receive(50, 72, from: "192.0.2.9", to: "10.1.1.1")
            try meter.receive(50, 72, from: "fd00::2", to: "fd00::1")
            try expect(
                lab, meter,
                [
                    "egress internal": 100 * 100 + 100 * 120, "egress external": 100 * 100 + 100 * 120,
                    "ingress external": 50 * 100, "ingress internal": 50 * 120,
                ])
        }
    }

    @Test func `other prefixes and another cgroup by reload, the cgroup made anew: no byte is lost, none twice`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (meter, other) = (try MeterLab(in: sandbox), try MeterLab(in: sandbox))
            defer {
                meter.end()
                other.end()
            }
            let lab = try UsageLab(in: sandbox, extra: meter.configuration(internal: "10.0.0.0/8"))
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try lab.configure(extra: meter.configuration(internal: "10.2.0.0/24"))
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            // The cgroup goes, with its sockets, and another of its name comes.
            meter.end()
            try meter.begin()
            let isMetered = waitUntil(.seconds(10)) {
                FileText.names(in: "/sys/fs/bpf/reuseport-agent/edge/meter") == [meter.identity]
            }
            #expect(isMetered, "\(lab.agent.process.errorOutput)")
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try expect(lab, meter, ["egress internal": 10 * 100, "egress external": 20 * 100])
            try lab.configure(extra: other.configuration(internal: "10.0.0.0/8"))
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try other.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try expect(lab, other, ["egress internal": 10 * 100])
            try expect(lab, meter, ["egress internal": 10 * 100, "egress external": 20 * 100])
            lab.agent.process.send(SIGTERM)
            try lab.agent.process.wait()
            #expect(try lab.agent.command(["unload", "--pool", "edge"]).exitCode == 0)
            #expect(FileText.names(in: "/sys/fs/bpf/reuseport-agent").isEmpty)
            // Nothing is attached any more: the cgroup goes at once.
            try other.send(1, 72, from: "10.1.1.1", to: "10.2.2.2")
        }
    }

    @Test
    func `meters stop by reload while nothing can be kept, and the agent is killed: the next one has their bytes`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (meter, other) = (try MeterLab(in: sandbox), try MeterLab(in: sandbox))
            defer {
                meter.end()
                other.end()
            }
            let disk = try SmallDisk(in: sandbox)
            let lab = try UsageLab(in: sandbox, folder: disk.folder, extra: meter.configuration(internal: ""))
            let pins = "/sys/fs/bpf/reuseport-agent/edge/meter"
            disk.fill()
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try lab.configure(extra: other.configuration(internal: ""))
            try other.send(7, 72, from: "10.1.1.1", to: "10.2.2.2")
            try lab.configure()
            #expect(waitUntil(.seconds(10)) { lab.agent.process.errorOutput.contains("ENOSPC") })
            #expect(FileText.names(in: pins).count == 2)
            // Stopped is stopped.
            try meter.send(3, 72, from: "10.1.1.1", to: "10.2.2.2")
            try lab.agent.kill()
            try lab.agent.restart()
            disk.empty()
            try expect(lab, meter, ["egress external": 10 * 100])
            try expect(lab, other, ["egress external": 7 * 100])
            #expect(waitUntil(.seconds(10)) { access(pins, F_OK) != 0 })
        }
    }

    @Test func `what is no cgroup of version 2 is refused with what to do, one that isn't there yet is waited for`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let meter = try MeterLab(in: sandbox)
            defer { meter.end() }
            let lab = try UsageLab(in: sandbox)
            let refused = #expect(throws: LabError.self) {
                try lab.configure(extra: "meter: {cgroup: \(sandbox.folder)}\n")
            }
            #expect("\(refused!)".contains("no cgroup of version 2"), "\(refused!)")
            meter.end()
            try lab.configure(extra: meter.configuration(internal: ""))
            #expect(waitUntil(.seconds(5)) { lab.agent.process.errorOutput.contains("can't be opened") })
            try meter.begin()
            #expect(waitUntil(.seconds(10)) { lab.agent.process.errorOutput.contains("is metered") })
            try meter.send(5, 72, from: "10.1.1.1", to: "10.2.2.2")
            try expect(lab, meter, ["egress external": 5 * 100])
        }
    }

    @Test func `without CAP_NET_ADMIN the meter is refused, and told what to give; check tells it before`() async throws
    {
        try await Sandbox.run { sandbox in
            let meter = try MeterLab(in: sandbox)
            defer { meter.end() }
            let launcher = ["setpriv", "--bounding-set=-net_admin,-sys_admin", "--inh-caps=-net_admin,-sys_admin"]
            let configuration = AgentFixture.configuration(
                extra: "usage: {to: {file: \(sandbox.folder)/u.jsonl}, queue: {folder: \(sandbox.folder)/q}}\n"
                    + meter.configuration(internal: ""))
            let refused = #expect(throws: LabError.self) {
                try AgentFixture(
                    in: sandbox, program: Subject.program, configuration: configuration, launcher: launcher)
            }
            #expect("\(refused!)".contains("no program may be attached to it"), "\(refused!)")
            #expect("\(refused!)".contains("give the agent CAP_NET_ADMIN"))
            let file = sandbox.newPath("edge.yaml")
            try FileText.write(configuration, to: file)
            let check = try ChildProcess(launcher + [Subject.program, "check", "--config", file], in: sandbox)
            #expect(try check.wait() == 6)
            #expect(
                check.output.contains("✗ meter: attaching to a cgroup: CAP_NET_ADMIN is missing"), "\(check.output)")
            #expect(check.output.contains("✓ usage: queue"))
        }
    }

    private func expect(_ lab: UsageLab, _ meter: MeterLab, _ sums: [String: UInt64]) throws {
        func found() throws -> [String: UInt64] {
            try lab.fileEvents().filter { $0.cgroup == meter.folder }.reduce(into: [:]) {
                $0["\($1.direction) \($1.network!)", default: 0] += $1.value
            }
        }
        try waitUntil(.seconds(20)) { try found() == sums }
        lab.waitForStillness(lab.fileEvents)
        #expect(try found() == sums, "\(lab.agent.process.errorOutput)")
    }
}

/// A cgroup of the test's own, in a mount of the sandbox's own.
final class MeterLab {
    let folder: String
    private let sandbox: Sandbox
    private static let mountPoint = "/run/cgroup2"

    static var isThere: Bool {
        Subject.mustRun
            || Subject.hasPrivilege && UsageReceiver.isThere
                && FileText.read("/proc/filesystems")?.contains("\tcgroup2\n") == true
    }

    init(in sandbox: Sandbox) throws {
        self.sandbox = sandbox
        mkdir(Self.mountPoint, 0o755)
        if access(Self.mountPoint + "/cgroup.procs", F_OK) != 0, mount("none", Self.mountPoint, "cgroup2", 0, nil) != 0
        {
            throw LabError("cannot mount cgroup2: errno \(errno)")
        }
        folder = "\(Self.mountPoint)/reuseport-agent-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try begin()
    }

    func begin() throws {
        guard mkdir(folder, 0o755) == 0 else { throw LabError("cannot make \(folder): errno \(errno)") }
    }

    /// Its processes have ended; what they were may be left for a moment.
    func end() { waitUntil(.seconds(5)) { rmdir(folder) == 0 || errno == ENOENT } }

    var identity: String {
        var facts = stat()
        return stat(folder, &facts) == 0 ? "\(facts.st_ino)" : ""
    }

    func configuration(internal prefixes: String) -> String {
        "meter: {cgroup: \(folder), internal: [\(prefixes)]}\n"
    }

    /// From a socket of the cgroup.
    func send(_ count: Int, _ size: Int, from source: String, to target: String) throws {
        try run("for i in range(\(count)): s.sendto(b'x' * \(size), ('\(target)', 9999))", at: source)
    }

    /// At a socket of the cgroup, from one that isn't in it.
    func receive(_ count: Int, _ size: Int, from source: String, to target: String) throws {
        let ready = sandbox.newPath("ready")
        let receiver = try start(
            "open('\(ready)', 'w').close()\nfor i in range(\(count)): assert len(s.recv(9000)) == \(size)", at: target)
        guard waitUntil(.seconds(20), { access(ready, F_OK) == 0 }), let address = IPAddress(target) else {
            throw LabError("no receiver: \(receiver.errorOutput)")
        }
        let sender = try InternetSocket(.udp, bind: IPAddress(source))
        for _ in 0..<count { try sender.send([UInt8](repeating: 1, count: size), to: address, 9_998) }
        guard try receiver.wait() == 0 else { throw LabError(receiver.errorOutput) }
    }

    private func run(_ body: String, at address: String) throws {
        let process = try start(body, at: address)
        guard try process.wait() == 0 else { throw LabError(process.errorOutput) }
    }

    private func start(_ body: String, at address: String) throws -> ChildProcess {
        let script = sandbox.newPath("packets.py")
        try FileText.write(
            """
            import os, socket
            open('\(folder)/cgroup.procs', 'w').write('0')
            s = socket.socket(socket.AF_INET6 if ':' in '\(address)' else socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(*((41, 78) if ':' in '\(address)' else (0, 15)), 1)
            s.bind(('\(address)', 9998))
            \(body)
            """, to: script)
        return try ChildProcess(["python3", script], in: sandbox)
    }
}
