import Glibc
import TelemetryLab
import Testing
import TestSupport

/// Process 1 of the agent's PID namespace keeps sockets: a service manager that activates collectors by socket, or
/// a container's only process, which is the collector.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege && UsageReceiver.isThere, "needs root and python3"))
struct FirstProcessTests {
    /// Binds the sockets, starts the agent, and registers the sockets by commands of its own, each of which writes a
    /// line with its exit code.
    private static let script = #"""
        folder, agent, config = sys.argv[1:4]
        udp, tcp = bound_sockets()
        numbers = (udp.fileno(), tcp.fileno())
        subprocess.Popen([agent, "run", "--config", config], stderr=open(folder + "/agent.log", "w"))
        deadline = time.time() + 60
        while time.time() < deadline and "is ready" not in open(folder + "/agent.log").read():
            time.sleep(0.01)
        reader = subprocess.Popen(["sleep", "1000"], pass_fds=numbers)
        def register(name, *more):
            result = subprocess.run(
                [agent, "register", "--collector", "c1", *[w for n in numbers for w in ("--fd", str(n))], *more],
                pass_fds=numbers, capture_output=True, text=True)
            status = subprocess.run([agent, "status", "--json"], capture_output=True, text=True).stdout
            open(f"{folder}/{name}", "w").write(f"{result.returncode} {result.stderr} {status}\n")
        register("plain")
        register("owner", "--owner", str(reader.pid))
        open(folder + "/reader", "w").write(str(reader.pid))
        open(folder + "/done", "w").write("1")
        time.sleep(600)
        """#

    /// - Parameter name: of process 1, as /proc shows it.
    /// - Returns: what the two registrations said, and the pid that the second one named.
    private static func run(as name: String, in sandbox: Sandbox) throws -> (
        plain: String, owner: String, reader: String
    ) {
        let folder = sandbox.newPath("first")
        mkdir(folder, 0o755)
        try SocketScript.write(script, to: folder + "/first.py")
        try FileText.write(AgentFixture.configuration(collectors: ["c1"]), to: folder + "/agent.yaml")
        // The kernel names a process by its file.
        #expect(symlink("/usr/bin/python3", "\(folder)/\(name)") == 0)
        let process = try ChildProcess(
            Exec.asFirstProcess + [
                "\(folder)/\(name)", folder + "/first.py", folder, AgentUnderTest.program, folder + "/agent.yaml",
            ], in: sandbox)
        let isDone = waitUntil(.seconds(60)) { FileText.read(folder + "/done") != nil || process.exitCode != nil }
        #expect(isDone && process.exitCode == nil, "\(process.errorOutput)")
        defer { process.send(SIGKILL) }
        return (
            FileText.read(folder + "/plain") ?? "", FileText.read(folder + "/owner") ?? "",
            FileText.read(folder + "/reader") ?? ""
        )
    }

    @Test func `sockets that a service manager keeps are refused as long as nobody names their reader`() async throws {
        try await Sandbox.run { sandbox in
            let (plain, owner, reader) = try Self.run(as: "systemd", in: sandbox)
            #expect(plain.hasPrefix("2 "), "\(plain)")
            #expect(plain.contains("process 1 keeps these sockets open, and which process reads them is unknown"))
            #expect(plain.contains("--owner PID") && plain.contains("\"state\":\"empty\""), "\(plain)")
            #expect(owner.hasPrefix("0 ") && owner.contains("\"pid\":\(reader)"), "\(owner)")
        }
    }

    @Test func `a collector that is process 1 of its container registers its own sockets`() async throws {
        try await Sandbox.run { sandbox in
            let (plain, _, _) = try Self.run(as: "collector", in: sandbox)
            #expect(plain.hasPrefix("0 ") && plain.contains("\"pid\":1,"), "\(plain)")
        }
    }
}
