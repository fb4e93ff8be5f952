import SockArrayCore
import Testing

@Suite struct CheckListTests {
    private static let edge = PoolConfiguration(pool: "edge", collectors: [.init(name: "c1")], groups: [])

    private static func host(
        mayUseBPF: Bool = true, mayBorrowSockets: Bool = true, mayEndSessions: Bool = false,
        mayGiveSockets: Bool = false
    ) -> HostFacts {
        HostFacts(
            kernelRelease: "6.1.0", hasProgramType: mayUseBPF ? true : nil, hasSocketArray: mayUseBPF ? true : nil,
            canMigrate: mayUseBPF ? true : nil,
            mayUseBPF: mayUseBPF, mayBorrowSockets: mayBorrowSockets,
            mayEndSessions: mayEndSessions, mayGiveSockets: mayGiveSockets, user: 990, hasBPFFS: true, mayMount: true,
            bpffs: "/sys/fs/bpf/x", mayWritePins: true)
    }
    private static func failure(_ kind: Failure.Kind) -> Failure {
        Failure(kind, act: "use edge.yaml:2:1", cause: "it is wrong", remedy: "put it right")
    }

    @Test func `what is optional and missing has a remedy and fails nothing`() {
        var host = Self.host(mayBorrowSockets: false)
        host.canMigrate = false
        let list = CheckList(host, configuration: nil)
        #expect(list.exitCode == 0)
        #expect(
            list.items.filter(\.isMissingOption).map(\.check) == [
                "register --pid of other users' processes", "connections of a closing listener",
                "groups outlive their last collector",
            ])
        let all = CheckList(Self.host(mayGiveSockets: true), configuration: nil)
        #expect(all.items.allSatisfy { !$0.isMissingOption })
    }

    @Test func `the machine counts before the configuration, that before a socket in use`() {
        func code(_ host: HostFacts, _ configuration: Failure.Kind?, _ socket: Failure.Kind?) -> Int32 {
            CheckList(
                host, configuration: configuration.map { .failure(Self.failure($0)) } ?? .success(Self.edge),
                sockets: [
                    .init(name: "control_socket", problem: socket.map(Self.failure)), .init(name: "status_socket"),
                ]
            ).exitCode
        }
        #expect(code(Self.host(), nil, nil) == 0)
        #expect(code(Self.host(), nil, .conflict) == 5)
        #expect(code(Self.host(), nil, .privilege) == 6)
        #expect(code(Self.host(), .usage, .conflict) == 2)
        #expect(code(Self.host(mayUseBPF: false), .usage, nil) == 6)
    }

    @Test func `status_http beyond loopback is no failure, and who can read it is told; what the agent has is well`() {
        func item(_ address: IPAddress, isTheAgents: Bool = false) -> CheckList.Item? {
            var place = CheckList.Place(name: "status_http x")
            place.endpoint = .init(address: address, port: 9_477)
            place.isTheAgents = isTheAgents
            return CheckList(Self.host(), configuration: .success(Self.edge), sockets: [place]).items.last
        }
        let open = item(.v4(0))
        #expect(open?.isMissingOption == true && open?.detail.contains("whoever reaches it reads the status") == true)
        #expect(open?.remedy?.contains("use 127.0.0.1:9477") == true)
        #expect(item(.v4(0x7f00_0001)) == .init(check: "status_http x", ok: true, detail: "it can be made"))
        #expect(item(.v4(0x7f00_0001), isTheAgents: true)?.detail == "this pool's agent runs, and listens there")
        #expect(item(.v6(0, 0), isTheAgents: true)?.remedy != nil)
    }

    @Test func `the cause of a bad configuration is told once`() {
        let list = CheckList(Self.host(), configuration: .failure(Self.failure(.usage)))
        #expect(list.items.last?.detail == "cannot use edge.yaml:2:1: it is wrong")
        #expect(list.items.last?.remedy == "put it right")
    }

    @Test func `of two lists, 6 for the machine goes before 2 for what was written, and either before the others`() {
        let codes: [(Int32, Int32, Int32)] = [
            (0, 0, 0), (2, 6, 6), (6, 2, 6), (2, 0, 2), (0, 2, 2), (3, 2, 2), (3, 6, 6), (3, 0, 3), (0, 6, 6),
        ]
        for (own, other, both) in codes { #expect(CheckList.exitCode(own, and: other) == both, "\(own), \(other)") }
    }

    @Test func `on_move: reset takes CAP_NET_ADMIN, another collector_user CAP_CHOWN: exit 6 without, and no more`() {
        func items(_ configuration: PoolConfiguration, _ host: HostFacts) -> (Int32, [String]) {
            let list = CheckList(host, configuration: .success(configuration))
            return (list.exitCode, list.items.filter { !$0.ok }.map(\.detail))
        }
        #expect(items(Self.edge, Self.host()) == (0, []))
        var reset = Self.edge
        reset.onMove = .reset
        #expect(items(reset, Self.host()) == (6, ["CAP_NET_ADMIN is missing: no session can be ended"]))
        #expect(items(reset, Self.host(mayEndSessions: true)) == (0, []))
        var other = Self.edge
        other.collectorUser = 1_000
        #expect(
            items(other, Self.host()) == (6, ["CAP_CHOWN is missing: user 990's sockets can't be given to it"]))
        #expect(items(other, Self.host(mayGiveSockets: true)) == (0, []))
        other.collectorUser = 990
        #expect(items(other, Self.host()) == (0, []))
    }
}
