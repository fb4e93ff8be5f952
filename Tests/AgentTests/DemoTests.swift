import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// `demo` on a host with an agent of its own.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct DemoTests {
    /// A folder that the demo's namespaces share with their caller: they replace /run alone.
    private static func makeSharedFolder() throws -> String {
        let folder = "/tmp/reuseport-agent-demo-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        guard mkdir(folder, 0o700) == 0 else { throw LabError("mkdir \(folder): errno \(errno)") }
        return folder
    }

    @Test func `demo talks to its own agent alone, whatever the environment and the default paths lead to`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let folder = try Self.makeSharedFolder()
            let (control, notify) = ("\(folder)/control.sock", "\(folder)/notify.sock")
            // An agent of the host, which notices whoever connects, and its state file.
            let listener = Descriptor(owning: rpa_unix_listen(control, 0o600))
            let isListening = listener.number >= 0
            try #require(isListening)
            let manager = try NotifySocket(notify)
            defer {
                for path in [control, notify] { unlink(path) }
                rmdir(folder)
            }
            try #require(mount("none", "/var/lib", "tmpfs", 0, nil) == 0)
            try #require(mkdir("/var/lib/reuseport-agent", 0o755) == 0)
            let state = "/var/lib/reuseport-agent/edge.json"
            try FileText.write("the pins of another agent", to: state)
            let demo = try CommandResult.of(
                AgentUnderTest.program, ["demo", "--built-in", "--exporters", "2"], in: sandbox,
                environment: ["REUSEPORT_AGENT_CONTROL": control, "NOTIFY_SOCKET": notify])
            #expect(demo.exitCode == 0 && demo.output.contains("with it"), "\(demo)")
            var wait = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
            #expect(poll(&wait, 1, 0) == 0, "somebody connected to the other agent")
            #expect(manager.received == "")
            #expect(FileText.read(state) == "the pins of another agent")
            #expect(FileText.names(in: "/var/lib/reuseport-agent") == ["edge.json"])
        }
    }
}
