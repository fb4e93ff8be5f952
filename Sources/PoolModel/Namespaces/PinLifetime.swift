/// Whether the pins outlive the agent's mount namespace, as far as that can be known.
///
/// A bpffs lives as long as a mount of it. One that is mounted in a container's mount namespace alone
/// ends with the container, with all pins.
public enum PinLifetime: Equatable, Sendable {
    /// The host's first process has the bpffs mounted: the pins live until they are removed, or the host
    /// restarts.
    case host
    /// The host's first process doesn't have the bpffs mounted.
    case notOfHost
    /// An agent mounted the bpffs in this mount namespace, or will, and other mounts of it can't be seen from here.
    case mountedHere
    /// The bpffs was mounted by somebody else, and the host's mounts can't be seen from here.
    case unknown

    /// What is seen of the bpffs and of mounts.
    public struct Facts: Equatable, Sendable {
        /// The bpffs that has the pins' folder (`MountEntry.device`); nil: there is none yet.
        public var device: String?
        /// The folder at which the agent mounts a bpffs if there is none.
        public var standardMountPoint: String
        /// Target of /proc/self/ns/mnt: `mnt:[4026531832]`.
        public var namespace: String?
        public var mounts: [MountEntry]
        /// The mounts of the host's first process; nil: it isn't visible from this PID namespace.
        public var hostMounts: [MountEntry]?

        public init(
            device: String?, standardMountPoint: String, namespace: String?, mounts: [MountEntry],
            hostMounts: [MountEntry]?
        ) {
            (self.device, self.standardMountPoint, self.namespace) = (device, standardMountPoint, namespace)
            (self.mounts, self.hostMounts) = (mounts, hostMounts)
        }
    }

    public init(_ facts: Facts) {
        guard let device = facts.device else {
            self = Self.ofNewMount(facts)
            return
        }
        if let hostMounts = facts.hostMounts {
            self = hostMounts.contains { $0.isBPFFS && $0.device == device } ? .host : .notOfHost
            return
        }
        let mark = facts.namespace.map(Self.source)
        let isOurs = facts.mounts.contains { $0.device == device && $0.source == mark }
        self = isOurs ? .mountedHere : .unknown
    }

    private static func ofNewMount(_ facts: Facts) -> PinLifetime {
        guard let hostMounts = facts.hostMounts else { return .mountedHere }
        // Mounts of the same namespace have the same numbers.
        if let root = facts.mounts.first(where: { $0.point == "/" }), hostMounts.contains(where: { $0.id == root.id }) {
            return .host
        }
        let parent = facts.mounts.filter { $0.covers(facts.standardMountPoint) }
            .max { $0.point.utf8.count < $1.point.utf8.count }
        return parent?.isShared == true ? .unknown : .notOfHost
    }

    /// The source that an agent gives to a bpffs that it mounts: a later agent in this namespace recognizes it.
    ///
    /// - Parameter namespace: target of /proc/self/ns/mnt.
    public static func source(in namespace: String) -> String { "reuseport-agent@\(namespace)" }

    /// What will happen to the pins; nil: nothing is known that would harm them.
    public var danger: String? {
        switch self {
        case .host, .unknown: nil
        case .notOfHost:
            "this bpffs isn't mounted on the host, but only in the mount namespace of a container or unit: when that "
                + "ends, all pins are gone, the kernel scatters exporters over the collectors, and the next agent "
                + "finds no pool"
        case .mountedHere:
            "the agent mounts this bpffs itself, in its own mount namespace: if that is a container's, all pins are "
                + "gone when the container ends, the kernel scatters exporters over the collectors, and the next "
                + "agent finds no pool"
        }
    }

    public static let remedy =
        "mount a bpffs on the host (mount -t bpf bpf /sys/fs/bpf), and give the container that folder before the agent "
        + "starts: --volume /sys/fs/bpf:/sys/fs/bpf, or in Kubernetes a hostPath volume with mountPropagation: "
        + "HostToContainer"
}
