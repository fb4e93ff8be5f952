import CBPFShim
import Glibc
import PoolModel

/// Does what the agent does at its start, by the same code, and keeps none of it: nothing
/// is pinned, attached or bound to a port of the pool.
///
/// The kernel may kill a process for a step (a memory limit, a seccomp filter): whoever
/// wants to report that performs the steps in a child.
public final class PoolTrial {
    private let configuration: PoolConfiguration
    private let act: String
    private var made: Made?

    /// What the step `maps` makes for the next one.
    private final class Made {
        let maps: PoolMaps
        let trackedExporters: TrackedExporterTable?
        let generation: Generation
        let groups: [PoolGroup]

        init(_ configuration: PoolConfiguration) throws(PoolError) {
            let folder = PinFolder.unpinned
            maps = try PoolMaps(in: folder)
            let limit = configuration.tracking.size
            trackedExporters = limit == 0 ? nil : try TrackedExporterTable(limit: limit, in: folder)
            generation = try Generation(making: AssignmentTable(configuration), number: 1, in: folder)
            groups = try PoolGroup.all(of: configuration, maps)
        }
    }

    public init(_ configuration: PoolConfiguration) {
        self.configuration = configuration
        act = "run pool \(configuration.pool)"
    }

    /// - Throws: with the words that `run` would fail with.
    public func perform(_ step: TrialStep) throws(Failure) -> TrialFacts {
        do {
            switch step {
            case .systemCalls:
                _ = rpa_bpf_answer()
                return TrialFacts()
            case .maps: return try makeMaps()
            case .programs: return try loadPrograms()
            case .memory: return try takeMemory()
            case .socketDiag: return try listSockets()
            case .groupSockets: return try openGroupSockets()
            case .borrowing: return try borrow()
            }
        } catch {
            throw error.failure(act: act, pool: configuration.pool, memoryNeed: PoolMemory.need(of: configuration))
        }
    }

    private func makeMaps() throws(PoolError) -> TrialFacts {
        made = try Made(configuration)
        var facts = TrialFacts()
        let all = MapMemory.ofThisProcess()
        facts.mapCount = all.count
        facts.mapBytes = all.bytes
        facts.countsLockedMemory = rpa_counts_locked_memory() == 1
        facts.lockedMemory = ProcessLimits.current().lockedMemory
        facts.canMigrate = PoolGroup.kernelMigrates
        return facts
    }

    private func loadPrograms() throws(PoolError) -> TrialFacts {
        guard let made else { return TrialFacts() }
        var facts = TrialFacts()
        facts.programs = []
        for group in made.groups {
            try group.load(made.generation, poolMaps: made.maps.bindings(with: made.trackedExporters))
            facts.programs? += group.programNames
        }
        return facts
    }

    /// What the agent grows by after its start: its status, events and ledger.
    private static let laterBytes = 4 << 20

    private func takeMemory() throws(PoolError) -> TrialFacts {
        try PoolError.check("mmap", rpa_trial_fill(Self.laterBytes))
        return TrialFacts()
    }

    private func listSockets() throws(PoolError) -> TrialFacts {
        try PoolError.wrap { [groups = configuration.groups] () throws(KernelError) in
            for group in groups { _ = try SocketDump.members(of: group.transport, port: group.port) }
            _ = try SocketCloseEvents(ports: Set(groups.map(\.port)), withSessions: false)
        }
        return TrialFacts()
    }

    private func openGroupSockets() throws(PoolError) -> TrialFacts {
        var facts = TrialFacts()
        for group in configuration.groups {
            var anyPort = group
            anyPort.port = 0
            do throws(KernelError) {
                _ = try Placeholder(in: anyPort, user: geteuid())
            } catch {
                // It may come later, with a failover of the host's own.
                guard [KernelError.noSuchAddress, KernelError.noDevice].contains(error.errno) else {
                    throw .groupSocket(error)
                }
                let missing =
                    error.errno == KernelError.noDevice ? "interface \(group.interface ?? "")" : "\(group.address)"
                facts.absentAddresses = (facts.absentAddresses ?? []) + ["\(group.name): \(missing)"]
            }
        }
        return facts
    }

    private func borrow() throws(PoolError) -> TrialFacts {
        do throws(KernelError) {
            let own = Descriptor(owning: try kernel("pidfd_getfd", rpa_pidfd_open(getpid())))
            // Any open descriptor of this process works.
            _ = Descriptor(owning: try kernel("pidfd_getfd", rpa_pidfd_getfd(own.number, own.number)))
        } catch {
            throw .borrowing(error)
        }
        return TrialFacts()
    }
}

/// What the kernel counts for maps that this process has open.
enum MapMemory {
    /// From /proc/self/fdinfo: `map_id:` and `memlock:` of each.
    static func ofThisProcess() -> (count: Int, bytes: UInt64) {
        var identifiers: Set<Substring> = []
        var bytes: UInt64 = 0
        for name in Directory.names(in: "/proc/self/fdinfo") {
            guard let fields = ProcessFacts.fields(of: "/proc/self/fdinfo/\(name)") else { continue }
            guard let identifier = fields["map_id"], identifiers.insert(identifier).inserted else { continue }
            bytes += fields["memlock"].flatMap { UInt64($0) } ?? 0
        }
        return (identifiers.count, bytes)
    }
}
