import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

/// Software of Debian's that opens several sockets of one port in one process, registered as it is.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RealWorkersTests {
    private static let sources = (0..<UInt32(200)).map { IPAddress.v4(0x0a0c_0000 + $0) }

    private static func configuration(_ groups: [String], _ choice: String) -> String {
        """
        pool: edge
        collectors: [{name: c1, workers: \(choice)}, {name: c2, workers: \(choice)}]
        groups:
        \(groups.map { "  - \($0)" }.joined(separator: "\n"))
        \(SlowMachine.isHere ? SlowMachine.keys : "")
        """
    }

    /// Registers a process that is about to bind its sockets.
    private func register(_ name: String, _ process: ChildProcess, with agent: AgentFixture) throws {
        let result = try agent.command(
            ["register", "--collector", name, "--pid", "\(process.pid)", "--wait", "20"])
        try #require(result.exitCode == 0, "\(result.errorOutput)\(process.errorOutput)")
    }

    /// A process may be registered before it has bound all of its sockets.
    private func waitForWorkers(in groups: [String], of agent: AgentFixture) throws {
        let areThere = try waitUntil(.seconds(20)) {
            try agent.status().collectors.allSatisfy { collector in
                groups.allSatisfy { collector.groups[$0]?.workers?.count == 4 }
            }
        }
        try #require(areThere)
    }

    private static func owner(of source: IPAddress) -> String? { AssignmentPlan.edge(["c1", "c2"]).owner(of: source) }

    /// What the client reads until it names a collector: the name.
    private static func answer(to client: InternetSocket) -> String? {
        var answer: [UInt8] = []
        var name: String?
        waitUntil(.seconds(5), every: .milliseconds(1)) {
            answer += client.readWaiting() ?? []
            name = ["c1", "c2"].first { String(decoding: answer, as: UTF8.self).contains("collector \($0)") }
            return name != nil
        }
        return name
    }

    @Test(arguments: ["exporter", "packet"])
    func `unbound with 4 threads: each client's queries, by UDP and TCP, are answered by its process`(
        choice: String
    ) async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: Self.configuration(
                    [
                        "{name: udp, protocol: udp, address: 0.0.0.0, port: 4739}",
                        "{name: tcp, protocol: tcp, address: 0.0.0.0, port: 4739}",
                    ], choice))
            for name in ["c1", "c2"] {
                let path = sandbox.newPath("\(name).conf")
                try FileText.write(Self.unbound(named: name), to: path)
                try register(name, try ChildProcess(["unbound", "-d", "-c", path], in: sandbox), with: agent)
            }
            try waitForWorkers(in: ["udp", "tcp"], of: agent)
            for source in Self.sources {
                for _ in 0..<3 {
                    let client = try InternetSocket(.udp, bind: source)
                    // Not connected: the answer comes from another address of the host.
                    try client.send(Self.query, to: .v4(0x7f00_0001), 4_739)
                    try #require(Self.answer(to: client) == Self.owner(of: source))
                }
                let client = try InternetSocket(.tcp, bind: source)
                try client.connect(.v4(0x7f00_0001), 4_739)
                try client.write([0, UInt8(Self.query.count)] + Self.query)
                try #require(Self.answer(to: client) == Self.owner(of: source))
            }
            #expect(try agent.status().lossesNow == [])
        }
    }

    @Test func `HAProxy with shards by-thread: each client's connections are accepted by its process`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: Self.configuration(["{name: web, protocol: tcp, address: 0.0.0.0, port: 1790}"], "flow"))
            for name in ["c1", "c2"] {
                let path = sandbox.newPath("\(name).cfg")
                try FileText.write(Self.haproxy(named: name), to: path)
                try register(name, try ChildProcess(["haproxy", "-db", "-f", path], in: sandbox), with: agent)
            }
            try waitForWorkers(in: ["web"], of: agent)
            for source in Self.sources {
                for _ in 0..<3 {
                    let client = try InternetSocket(.tcp, bind: source)
                    try client.connect(.v4(0x7f00_0001), 1_790)
                    try client.write(Array("GET / HTTP/1.0\r\n\r\n".utf8))
                    try #require(Self.answer(to: client) == Self.owner(of: source))
                }
            }
        }
    }

    private static func unbound(named name: String) -> String {
        """
        server:
            interface: 0.0.0.0@4739
            num-threads: 4
            so-reuseport: yes
            do-ip6: no
            do-daemonize: no
            username: ""
            chroot: ""
            directory: "/tmp"
            pidfile: ""
            use-syslog: no
            module-config: "iterator"
            access-control: 0.0.0.0/0 allow
            local-zone: "test." static
            local-data: 'who.test. TXT "collector \(name)"'
        remote-control:
            control-enable: no
        """
    }

    private static func haproxy(named name: String) -> String {
        """
        global
            nbthread 4
        defaults
            mode http
            timeout client 10s
            timeout connect 10s
            timeout server 10s
        frontend web
            bind 0.0.0.0:1790 shards by-thread
            http-request return status 200 content-type text/plain string "collector \(name)"
        """ + "\n"
    }

    /// TXT who.test (RFC 1035, 4.1).
    private static let query: [UInt8] =
        [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3] + Array("who".utf8) + [4] + Array("test".utf8)
        + [0, 0, 16, 0, 1]
}
