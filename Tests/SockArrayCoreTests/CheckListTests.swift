import SockArrayCore
import Testing

@Suite struct CheckListTests {
    private static func host(mayUseBPF: Bool = true, mayBorrowSockets: Bool = true) -> HostFacts {
        HostFacts(
            kernelRelease: "6.1.0", hasProgramType: mayUseBPF ? true : nil, hasSocketArray: mayUseBPF ? true : nil,
            mayUseBPF: mayUseBPF, mayBorrowSockets: mayBorrowSockets, hasBPFFS: true, mayMount: true,
            bpffs: "/sys/fs/bpf/x", mayWritePins: true)
    }
    private static func failure(_ kind: Failure.Kind) -> Failure {
        Failure(kind, act: "use edge.yaml:2:1", cause: "it is wrong", remedy: "put it right")
    }

    @Test func `what is optional and missing has a remedy and fails nothing`() {
        let list = CheckList(Self.host(mayBorrowSockets: false), configuration: nil)
        #expect(list.exitCode == 0)
        #expect(list.items.filter(\.isMissingOption).map(\.check) == ["register --pid of other users' processes"])
        #expect(CheckList(Self.host(), configuration: nil).items.allSatisfy { !$0.isMissingOption })
    }

    @Test func `the machine counts before the configuration, that before a socket in use`() {
        func code(_ host: HostFacts, _ configuration: Failure.Kind?, _ socket: Failure.Kind?) -> Int32 {
            CheckList(
                host, configuration: configuration.map { .failure(Self.failure($0)) } ?? .success("edge"),
                sockets: [("control_socket", socket.map(Self.failure)), ("status_socket", nil)]
            ).exitCode
        }
        #expect(code(Self.host(), nil, nil) == 0)
        #expect(code(Self.host(), nil, .conflict) == 5)
        #expect(code(Self.host(), nil, .privilege) == 6)
        #expect(code(Self.host(), .usage, .conflict) == 2)
        #expect(code(Self.host(mayUseBPF: false), .usage, nil) == 6)
    }

    @Test func `the cause of a bad configuration is told once`() {
        let list = CheckList(Self.host(), configuration: .failure(Self.failure(.usage)))
        #expect(list.items.last?.detail == "cannot use edge.yaml:2:1: it is wrong")
        #expect(list.items.last?.remedy == "put it right")
    }
}
