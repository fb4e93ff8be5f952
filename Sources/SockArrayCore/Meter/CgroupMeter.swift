import CBPFShim
import PoolModel

/// Counts the bytes that the sockets of a cgroup send and receive. Links and maps are pinned
/// in a folder named by the cgroup's number, so counting continues without the agent. Another
/// cgroup, or the same path made anew, gets a new meter. Of the previous one, only the counts
/// stay pinned, until their bytes are in events on the disk (`forget`).
public final class CgroupMeter {
    public private(set) var settings: MeterSettings
    private let folder: PinFolder
    private let cgroup: UInt64
    private let counts: MappedArray
    private let prefixes: Descriptor

    /// Name of the meter's folder.
    var pinName: String { "\(cgroup)" }

    /// Adopts the cgroup's meter or makes one, and stops the meters of other cgroups.
    ///
    /// - Parameter pool: folder of the pool's pins.
    /// - Throws: `.absent` if there is no such cgroup, `.usage` if it isn't a cgroup of
    ///   version 2, `.privilege` if capabilities are missing.
    public init(_ settings: MeterSettings, pool: String) throws(Failure) {
        let act = "meter the cgroup \(settings.cgroup)"
        self.settings = settings
        cgroup = try Self.identity(of: settings.cgroup, act: act)
        let meters = Self.folder(ofPool: pool)
        folder = meters.subfolder("\(cgroup)")
        do throws(PoolError) {
            let folder = self.folder
            let lines = try PoolError.wrap { () throws(KernelError) in
                try folder.make()
                PinnedMeter(folder: folder).name(settings.cgroup)
                return Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
            }
            counts = try MappedArray.pinned(
                "meter", in: folder, entries: lines, wordsPerEntry: MeterCounts.wordsPerLine)
            prefixes = try Self.prefixes(of: settings, in: folder)
            for (pin, program, isEgress) in [("ingress", "count_ingress", false), ("egress", "count_egress", true)] {
                let loaded = try SelectionProgram.load(
                    object: Embedded_meterProgram.bytes, program: program,
                    maps: [("meter", counts.map.number), ("internal", prefixes.number)], constants: NoConstants())
                try Self.attach(loaded, as: pin, isEgress, settings.cgroup, in: folder)
            }
            Self.stop(in: meters, except: "\(cgroup)")
        } catch {
            throw Self.meaning(of: error, act: act, pool: pool)
        }
    }

    /// Checks that the cgroup exists, without metering it.
    public static func check(_ settings: MeterSettings) throws(Failure) {
        _ = try identity(of: settings.cgroup, act: "meter the cgroup \(settings.cgroup)")
    }

    private static func prefixes(of settings: MeterSettings, in folder: PinFolder) throws(PoolError) -> Descriptor {
        let map = try folder.map("internal", RPA_MAP_PREFIXES, valueSize: 4, entries: RPA_MAX_INTERNAL)
        do throws(KernelError) { try InternalPrefixes.write(settings.internalPrefixes, to: map) } catch {
            throw .call(error)
        }
        return map
    }

    private struct NoConstants: BitwiseCopyable {}

    /// Replaces the prefixes of the same cgroup. No packet is missed meanwhile; some may be
    /// counted by the old prefixes.
    public func change(_ settings: MeterSettings) throws(Failure) {
        do throws(KernelError) {
            try InternalPrefixes.write(settings.internalPrefixes, to: prefixes)
            self.settings = settings
        } catch {
            throw Self.failure(error, act: "change the internal prefixes of \(settings.cgroup)")
        }
    }

    /// Whether the path still names the same cgroup: otherwise the meter must be made anew.
    public var isCurrent: Bool {
        var now: UInt64 = 0
        return rpa_cgroup_id(settings.cgroup, &now) != 1 || now == cgroup
    }

    /// The counts, by direction and network.
    public func counters(act: String) throws(Failure) -> [UsageReading.Counter] {
        do throws(KernelError) {
            return try MeterCounts(counts).counters { [path = settings.cgroup] in .cgroup(path, $0, $1) }
        } catch {
            throw Self.failure(error, act: act)
        }
    }

    /// Attaches the program beside others, and replaces an earlier program of the agent.
    private static func attach(
        _ program: borrowing Descriptor, as pin: String, _ isEgress: Bool, _ cgroup: String, in folder: PinFolder
    ) throws(PoolError) {
        if let link = try folder.open(pin) {
            var identity: UInt64 = 0
            if rpa_link_cgroup(link.number, &identity) == 0, identity != 0 {
                let result = rpa_update_link(link.number, program.number)
                return try PoolError.wrap { () throws(KernelError) in try kernel("bpf_link_update", result) }
            }
            rpa_remove_file("\(folder.path)/\(pin)")
        }
        let result = rpa_attach_cgroup(cgroup, program.number, isEgress ? 1 : 0)
        let link = Descriptor(
            owning: try PoolError.wrap { () throws(KernelError) in try kernel("bpf_link_create", result) })
        try folder.pin(link, as: pin)
    }

    private static func identity(of path: String, act: String) throws(Failure) -> UInt64 {
        var identity: UInt64 = 0
        let result = rpa_cgroup_id(path, &identity)
        if result == 1 { return identity }
        if result == 0 {
            throw Failure(
                .usage, act: act, cause: "it is no cgroup of version 2",
                remedy:
                    "give the folder below the mount of type cgroup2 (findmnt -t cgroup2); where there is none, boot "
                    + "with systemd.unified_cgroup_hierarchy=1, or remove meter")
        }
        throw Failure(
            .absent, act: act, cause: "it can't be opened", errno: -result,
            remedy: "start what it is made by, like the collectors' slice, or give another cgroup")
    }

    static func failure(_ error: KernelError, act: String) -> Failure {
        Failure(
            .privilege, act: act, cause: "\(error.operation) failed", errno: error.errno,
            remedy: "see: reuseport-agent check")
    }

    /// - Parameter pool: folder of the pool's pins.
    private static func meaning(of error: PoolError, act: String, pool: String) -> Failure {
        if case .call(let call) = error, call.operation == "bpf_link_create", [1, 13, 22].contains(call.errno) {
            return Failure(
                .privilege, act: act, cause: "no program may be attached to it", errno: call.errno,
                remedy:
                    "give the agent CAP_NET_ADMIN beside CAP_BPF (AmbientCapabilities= of its unit), or remove meter")
        }
        return error.failure(act: act, pool: pool.split(separator: "/").last.map(String.init) ?? "")
    }
}
