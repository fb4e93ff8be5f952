import Glibc
import PoolModel
import TelemetryLab

/// A cgroup of the test's own, in a mount of the sandbox's own.
final class MeterFixture {
    let folder: String
    private let sandbox: Sandbox
    private static let mountPoint = "/run/cgroup2"

    static var isThere: Bool {
        AgentUnderTest.mustRun
            || AgentUnderTest.hasPrivilege && UsageReceiver.isThere
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

    /// Its processes have ended; the kernel may keep them for a moment.
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
