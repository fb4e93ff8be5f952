import Glibc
import PoolModel

/// What an agent can see of others before it starts: other pools with the same groups, and sockets that
/// are in the groups of a new pool.
public struct StartSurvey: Sendable {
    /// In the order of the groups.
    public let rivals: [RivalPool]
    /// Only of a pool without pins, and not of groups that another pool has in this network namespace.
    public let unclaimed: [UnclaimedSockets]

    /// Changes nothing.
    ///
    /// - Parameter callsBPF: false: bpf(2) is not called, because a seccomp filter may kill the process.
    public init(_ configuration: PoolConfiguration, callsBPF: Bool = true) {
        rivals = Self.rivals(of: configuration, groups: configuration.groups, callsBPF: callsBPF)
        guard PinnedPools.isNew(configuration) else {
            unclaimed = []
            return
        }
        let taken = rivals.filter(\.isHere).map(\.group)
        unclaimed = configuration.groups.filter { !taken.contains($0) }.compactMap { group in
            (try? SocketDump.members(of: group.transport, port: group.port))
                .flatMap { UnclaimedSockets(group, among: $0, expectedUser: configuration.collectorUser) }
        }
    }

    /// The agent that runs the pool: the process that holds the pool's lock. Nil: none, or this process may not see it.
    public static func agent(of configuration: PoolConfiguration) -> Int32? {
        FileIdentity(of: PinFolder(configuration).path).flatMap { holder(of: $0, locks()) }
    }

    /// - Throws: `.conflict` if another pool has one of these groups in this network namespace.
    static func refuseRivals(
        of configuration: PoolConfiguration, groups: [ReuseportGroup], act: String
    ) throws(Failure) {
        for rival in rivals(of: configuration, groups: groups, callsBPF: true) {
            if let refusal = rival.refusal(act: act) { throw refusal }
        }
    }

    private static func rivals(
        of configuration: PoolConfiguration, groups: [ReuseportGroup], callsBPF: Bool
    ) -> [RivalPool] {
        guard !groups.isEmpty else { return [] }
        let own = PinFolder(configuration)
        let identity = FileIdentity(of: own.path)
        let others = PinnedPools.all(besides: configuration.bpffs).filter { $0.identity != identity }
        guard !others.isEmpty else { return [] }
        let locks = locks()
        let network = Directory.target(ofLink: "/proc/self/ns/net")
        return groups.flatMap { group in
            others.filter { $0.groups.contains(group.pinName) }.map { other in
                // In this order: what is registered now was bound before.
                let registered = callsBPF ? other.folder.registeredSockets(ofGroup: group.pinName) : nil
                let present = try? SocketDump.members(of: group.transport, port: group.port)
                let ours = callsBPF ? own.registeredSockets(ofGroup: group.pinName) : nil
                return RivalPool(
                    pool: other.pool, bpffs: other.bpffs, group: group,
                    presence: .init(
                        registered: registered, present: present.map { Set($0.map(\.cookie)) },
                        agent: agentNetwork(of: other, locks), own: network),
                    hasOwnSockets: ours?.isEmpty == false)
            }
        }
    }

    /// The network namespace of the agent that holds the pool's lock (`PoolLock`). Nil: no agent runs, or
    /// this process may not see it.
    private static func agentNetwork(of other: PinnedPools.Found, _ locks: [FileLock]) -> String? {
        holder(of: other.identity, locks).flatMap { Directory.target(ofLink: "/proc/\($0)/ns/net") }
    }

    private static func locks() -> [FileLock] {
        SmallFile.read("/proc/locks", limit: 4 << 20).map(FileLock.all) ?? []
    }

    private static func holder(of folder: FileIdentity, _ locks: [FileLock]) -> Int32? {
        locks.first { $0.device == folder.device && $0.inode == folder.inode }?.pid
    }
}
