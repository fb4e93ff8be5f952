import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// Collectors whose sockets a service manager keeps open, as systemd does for a socket unit.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege && ActivatedService.isThere, "needs root and python3"))
struct SocketActivationTests {
    private static let configuration = AgentFixture.configuration(collectors: ["c1", "c2"], hold: "5s")

    @Test func `a restart within the hold: 50 of 50 datagrams and 3 of 3 connections are answered`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"], hold: "5s"))
            let service = try ActivatedService(in: sandbox)
            try service.waitUntilRegistered(with: agent, 1)
            #expect(try agent.isActive())
            service.killService()
            #expect(waitUntil(.seconds(10)) { agent.process.errorOutput.contains("keeps its sockets") })
            #expect(try agent.command(["status"]).output.contains("queueing"))
            let sources = (0..<50).map { IPAddress.v4(0x7f01_0000 + $0) }
            for source in sources {
                try InternetSocket(.udp, bind: source).send([1], to: .v4(0x7f00_0001), 4_739)
            }
            let routers = try (0..<3).map { try InternetSocket(.tcp, bind: .v4(0x7f02_0000 + $0)) }
            for router in routers { try router.connect(.v4(0x7f00_0001), 1_790) }
            try service.start()
            try service.waitUntilRegistered(with: agent, 2)
            #expect(waitUntil(.seconds(10)) { service.received.datagrams == 50 && service.received.connections == 3 })
            #expect(try agent.isActive())
        }
    }

    @Test func `a service that is gone for good: its exporters fail over when the hold is over, and it can come back`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            let service = try ActivatedService(in: sandbox)
            try service.waitUntilRegistered(with: agent, 1)
            let other = [
                try InternetSocket.collector(.udp, .v4(0), port: 4_739),
                try InternetSocket.collector(.tcp, .v4(0), port: 1_790),
            ]
            let second = try agent.command(
                ["register", "--collector", "c2", "--fd", "3", "--fd", "4"],
                descriptors: [3: other[0].number, 4: other[1].number])
            #expect(second.exitCode == 0, "\(second.errorOutput)")
            service.killService()
            #expect(waitUntil(.seconds(20)) { agent.process.errorOutput.contains("did not come back in time") })
            for index in 0..<UInt32(40) {
                try InternetSocket(.udp, bind: .v4(0x7f01_0000 + index)).send([1], to: .v4(0x7f00_0001), 4_739)
            }
            #expect(other[0].receiveWaiting().count == 40)
            try service.start()
            try service.waitUntilRegistered(with: agent, 2)
            #expect(try agent.isActive())
        }
    }

    @Test func `each restart has the whole hold, also one that follows another one soon`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"], hold: "6s"))
            let service = try ActivatedService(in: sandbox)
            try service.waitUntilRegistered(with: agent, 1)
            service.killService()
            #expect(waitUntil(.seconds(10)) { agent.process.errorOutput.contains("keeps its sockets") })
            try service.start()
            try service.waitUntilRegistered(with: agent, 2)
            // Most of the first hold.
            usleep(3_500_000)
            service.killService()
            let time = Self.timeUntilGivenUp(by: agent)
            #expect(time >= .milliseconds(5_900) && time < .seconds(20), "\(time)")
        }
    }

    private static func timeUntilGivenUp(by agent: AgentFixture) -> Duration {
        ContinuousClock().measure {
            _ = waitUntil(.seconds(20)) { agent.process.errorOutput.contains("did not come back in time") }
        }
    }

    @Test func `a broker registers its sockets with --owner, and that process is watched`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            let service = try ActivatedService(in: sandbox, registersFromManager: true)
            try service.waitUntilRegistered(with: agent, 1)
            service.killService()
            #expect(waitUntil(.seconds(10)) { agent.process.errorOutput.contains("keeps its sockets") })
        }
    }
}

/// A service manager that binds a collector's sockets, starts the collector with them, and keeps them.
private final class ActivatedService {
    private let folder: String
    private let process: ChildProcess

    static var isThere: Bool { UsageReceiver.isThere }

    private static let script = #"""
        folder, agent, from_manager = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
        service = r'''
        import os, select, socket, subprocess, sys
        folder, agent, from_manager = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
        udp, tcp = socket.socket(fileno=3), socket.socket(fileno=4)
        def register(*more):
            result = subprocess.run([agent, "register", "--collector", "c1", "--fd", "3", "--fd", "4", *more],
                                    pass_fds=(3, 4), capture_output=True, text=True)
            open(folder + "/registered", "a").write(f"{result.returncode} {result.stderr}\n".replace("\n", " ") + "\n")
        if not from_manager:
            register()
        while True:
            for ready in select.select([udp, tcp], [], [])[0]:
                if ready is udp:
                    udp.recv(2048); open(folder + "/datagrams", "a").write("x")
                else:
                    tcp.accept()[0].close(); open(folder + "/connections", "a").write("x")
        '''
        import textwrap
        service = textwrap.dedent(service)
        udp, tcp = bound_sockets()
        os.dup2(udp.fileno(), 13); os.dup2(tcp.fileno(), 14)
        udp.close(); tcp.close()
        def start():
            def pass_sockets():
                os.dup2(13, 3); os.dup2(14, 4)
                os.close(13); os.close(14)
            child = subprocess.Popen([sys.executable, "-c", service, folder, agent, sys.argv[3]],
                                     preexec_fn=pass_sockets, close_fds=False)
            open(folder + "/service.pid", "w").write(str(child.pid))
            if from_manager:
                result = subprocess.run([agent, "register", "--collector", "c1", "--fd", "13", "--fd", "14",
                                         "--owner", str(child.pid)], pass_fds=(13, 14), capture_output=True, text=True)
                open(folder + "/registered", "a").write(f"{result.returncode} {result.stderr}".replace("\n", " ") + "\n")
            return child
        child = start()
        while True:
            time.sleep(0.02)
            child.poll()
            if os.path.exists(folder + "/start"):
                os.remove(folder + "/start")
                child = start()
        """#

    init(in sandbox: Sandbox, registersFromManager: Bool = false) throws {
        folder = sandbox.newPath("service")
        mkdir(folder, 0o755)
        let script = folder + "/manager.py"
        try SocketScript.write(Self.script, to: script)
        process = try ChildProcess(
            ["python3", script, folder, AgentUnderTest.program, registersFromManager ? "1" : "0"], in: sandbox)
        self.sandbox = sandbox
    }

    private let sandbox: Sandbox

    /// How many datagrams the service has read, and connections it has accepted.
    var received: (datagrams: Int, connections: Int) {
        (FileText.read(folder + "/datagrams")?.count ?? 0, FileText.read(folder + "/connections")?.count ?? 0)
    }

    func start() throws { try FileText.write("", to: folder + "/start") }

    func killService() {
        guard let pid = FileText.read(folder + "/service.pid"),
            let signal = try? ChildProcess(["kill", "-KILL", pid], in: sandbox)
        else { return }
        _ = try? signal.wait()
    }

    /// Waits until the service has registered so many times.
    func waitUntilRegistered(with agent: AgentFixture, _ count: Int) throws {
        let registered = waitUntil(.seconds(30)) {
            (FileText.read(folder + "/registered") ?? "").split(separator: "\n").count >= count
        }
        let text = FileText.read(folder + "/registered") ?? ""
        guard registered, text.split(separator: "\n").allSatisfy({ $0.hasPrefix("0 ") }) else {
            throw LabError("not registered \(count) times: \(text) \(process.errorOutput) \(agent.process.errorOutput)")
        }
    }
}
