import PoolModel
import PoolReport
import Testing

@Suite struct CheckListTests {
    private static let edge = PoolConfiguration(pool: "edge", collectors: [.init(name: "c1")], groups: [])

    private static func host(
        mayBorrowSockets: Bool = true, mayEndSessions: Bool = false, mayGiveSockets: Bool = false
    ) -> HostFacts {
        HostFacts(
            kernelRelease: "6.1.0", mayBorrowSockets: mayBorrowSockets, mayEndSessions: mayEndSessions,
            mayGiveSockets: mayGiveSockets, user: 990, hasBPFFS: true, mayMount: true, bpffs: "/sys/fs/bpf/x",
            mayWritePins: true)
    }

    /// All steps pass but these.
    private static func trial(
        canMigrate: Bool = true, failing: [TrialStep: Failure] = [:], change: (inout TrialFacts) -> Void = { _ in }
    ) -> TrialReport {
        var report = TrialReport()
        var facts = TrialFacts()
        (facts.mapCount, facts.mapBytes, facts.canMigrate) = (27, 20 << 20, canMigrate)
        facts.programs = ["dispatch", "select_collector", "dispatch", "select_collector"]
        change(&facts)
        for step in TrialStep.allCases {
            report.note(step, failing[step].map { .failure($0) } ?? .success(facts))
        }
        return report
    }

    private static func list(
        _ host: HostFacts, _ trial: TrialReport = trial(), limits: ProcessLimits = ProcessLimits(),
        configuration: Result<PoolConfiguration, Failure>? = nil, sockets: [CheckList.Place] = []
    ) -> CheckList {
        CheckList(host, trial: trial, limits: limits, configuration: configuration, sockets: sockets)
    }

    private static func failure(_ kind: Failure.Kind) -> Failure {
        Failure(kind, act: "use edge.yaml:2:1", cause: "it is wrong", remedy: "put it right")
    }

    @Test func `a missing optional item has a remedy and no failure`() {
        let list = Self.list(Self.host(mayBorrowSockets: false), Self.trial(canMigrate: false))
        #expect(list.exitCode == 0)
        #expect(
            list.items.filter(\.isMissingOption).map(\.check) == [
                "register --pid of other users' processes", "connections of a closing listener",
                "groups outlive their last collector",
            ])
        let all = Self.list(Self.host(mayGiveSockets: true))
        #expect(all.items.allSatisfy { !$0.isMissingOption })
    }

    @Test func `the exit code is the machine's first, then the configuration's, then that of a socket in use`() {
        func code(_ trial: TrialReport, _ configuration: Failure.Kind?, _ socket: Failure.Kind?) -> Int32 {
            Self.list(
                Self.host(), trial,
                configuration: configuration.map { .failure(Self.failure($0)) } ?? .success(Self.edge),
                sockets: [
                    .init(name: "control_socket", problem: socket.map(Self.failure)), .init(name: "status_socket"),
                ]
            ).exitCode
        }
        #expect(code(Self.trial(), nil, nil) == 0)
        #expect(code(Self.trial(), nil, .conflict) == 5)
        #expect(code(Self.trial(), nil, .privilege) == 6)
        #expect(code(Self.trial(), .usage, .conflict) == 2)
        #expect(code(Self.trial(failing: [.programs: Self.failure(.privilege)]), .usage, nil) == 6)
    }

    @Test func `status_http beyond loopback isn't a failure, and check says who can read it`() {
        func item(_ address: IPAddress, isTheAgents: Bool = false) -> CheckList.Item? {
            var place = CheckList.Place(name: "status_http x")
            place.endpoint = .init(address: address, port: 9_477)
            place.isTheAgents = isTheAgents
            return Self.list(Self.host(), configuration: .success(Self.edge), sockets: [place]).items.last
        }
        let open = item(.v4(0))
        #expect(
            open?.isMissingOption == true && open?.detail.contains("whoever reaches it can read the status") == true)
        #expect(open?.remedy?.contains("use 127.0.0.1:9477") == true)
        #expect(item(.v4(0x7f00_0001)) == .init(check: "status_http x", ok: true, detail: "it can be made"))
        #expect(item(.v4(0x7f00_0001), isTheAgents: true)?.detail == "this pool's agent listens there")
        #expect(item(.v6(0, 0), isTheAgents: true)?.remedy != nil)
    }

    @Test func `the cause of a bad configuration is reported once`() {
        let list = Self.list(Self.host(), configuration: .failure(Self.failure(.usage)))
        #expect(list.items.last?.detail == "cannot use edge.yaml:2:1: it is wrong")
        #expect(list.items.last?.remedy == "put it right")
    }

    @Test func `with two lists, exit 6 for the machine goes before 2 for the configuration, and both before others`() {
        let codes: [(Int32, Int32, Int32)] = [
            (0, 0, 0), (2, 6, 6), (6, 2, 6), (2, 0, 2), (0, 2, 2), (3, 2, 2), (3, 6, 6), (3, 0, 3), (0, 6, 6),
        ]
        for (own, other, both) in codes { #expect(CheckList.exitCode(own, and: other) == both, "\(own), \(other)") }
    }

    @Test func `on_move: reset needs CAP_NET_ADMIN, another collector_user CAP_CHOWN: exit 6 without them`() {
        func items(_ configuration: PoolConfiguration, _ host: HostFacts) -> (Int32, [String]) {
            let list = Self.list(host, configuration: .success(configuration))
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

    @Test func `pins that are known to end with a mount namespace deserve attention, and others don't`() {
        func item(_ change: (inout HostFacts) -> Void) -> CheckList.Item? {
            var host = Self.host()
            change(&host)
            return Self.list(host).items.first { $0.check == "pins in /sys/fs/bpf/x" }
        }
        #expect(item { $0.pinLifetime = .host }?.detail == "a bpffs is mounted, and can be written")
        let unknown = item { $0.pinLifetime = .unknown }
        #expect(unknown?.remedy == nil && unknown?.detail.contains("can't be seen from here") == true)
        for lifetime in [PinLifetime.notOfHost, .mountedHere] {
            for hasBPFFS in [true, false] {
                let found = item { ($0.pinLifetime, $0.hasBPFFS) = (lifetime, hasBPFFS) }
                #expect(found?.isMissingOption == true && found?.remedy == PinLifetime.remedy)
                #expect(found?.detail.hasSuffix("; \(lifetime.danger ?? "?")") == true)
            }
        }
        let refused = item { ($0.pinLifetime, $0.hasBPFFS, $0.mayMount) = (.mountedHere, false, false) }
        #expect(refused?.ok == false && refused?.remedy?.contains("mount -t bpf bpf /sys/fs/bpf") == true)
    }

    @Test func `a time namespace is reported, and one whose offset is unknown is exit 6`() {
        func list(_ clock: ClockRelation) -> CheckList {
            var host = Self.host()
            host.clock = clock
            return Self.list(host)
        }
        #expect(!list(.same).items.contains { $0.check == "clock" })
        let behind = list(.ahead(TimeOffsets(monotonic: -90_000_000_000))).items.first { $0.check == "clock" }
        #expect(
            behind?.detail
                == "the agent is in a time namespace, 90 s behind the kernel's clock, and converts its times")
        #expect(behind?.ok == true && behind?.remedy == nil)
        #expect(list(.unknown).exitCode == 6)
    }

    @Test func `each failed step of the trial is an item with the words of run`() {
        let names: [TrialStep: String] = [
            .systemCalls: "bpf(2)", .maps: "maps", .programs: "programs", .memory: "memory", .socketDiag: "sock_diag",
            .groupSockets: "sockets",
        ]
        for (step, name) in names {
            let list = Self.list(Self.host(), Self.trial(failing: [step: Self.failure(.privilege)]))
            #expect(list.exitCode == 6)
            #expect(
                list.items.filter { !$0.ok } == [
                    .init(
                        check: name, ok: false, detail: "cannot use edge.yaml:2:1: it is wrong", remedy: "put it right")
                ])
        }
        // Only register --pid needs it.
        #expect(Self.list(Self.host(), Self.trial(failing: [.borrowing: Self.failure(.privilege)])).exitCode == 0)
    }

    @Test func `maps have their size and its limit, programs their names and their cost`() {
        func detail(_ check: String, _ trial: TrialReport = Self.trial(), _ limits: ProcessLimits = ProcessLimits())
            -> String?
        {
            Self.list(Self.host(), trial, limits: limits).items.first { $0.check == check }?.detail
        }
        #expect(detail("maps") == "27 maps can be made, 20 MiB")
        let limit = ProcessLimits.MemoryLimit(bytes: 64 << 20, file: "/x/memory.max")
        #expect(
            detail("maps", Self.trial(), ProcessLimits(memory: limit))
                == "27 maps can be made, 20 MiB; memory limit 64 MiB (/x/memory.max)")
        let locked = Self.trial { ($0.countsLockedMemory, $0.lockedMemory) = (true, 65_536) }
        #expect(detail("maps", locked)?.hasSuffix("counts them as locked memory (limit 64 KiB)") == true)
        let unlimited = Self.trial { $0.countsLockedMemory = true }
        #expect(detail("maps", unlimited)?.hasSuffix("counts them as locked memory (not limited)") == true)
        #expect(detail("programs") == "4 can be loaded: dispatch, select_collector")
        #expect(
            detail("programs", Self.trial(), ProcessLimits(isTrustedByVerifier: false))
                == "4 can be loaded: dispatch, select_collector; without CAP_PERFMON, each execution takes longer")
    }
}
