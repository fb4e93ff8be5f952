import CBPFShim

/// Counts all that the sockets of a cgroup send and receive. Links and maps are pinned
/// in a folder of the cgroup's number, so that it goes on without the agent. Another
/// cgroup, or the same one made anew, gets a meter of its own; of the one before only the
/// counts stay pinned, until their bytes are in events on the disk (`forget`).
public final class CgroupMeter {
    public private(set) var settings: MeterSettings
    private let folder: PinFolder
    private let cgroup: UInt64
    private let counts: MappedArray
    private let prefixes: Descriptor

    /// Of its folder.
    var pinName: String { "\(cgroup)" }

    /// Adopts the cgroup's meter, or makes it, and stops those of other cgroups.
    ///
    /// - Parameter pool: folder of the pool's pins.
    /// - Throws: `.absent` where there is no such cgroup now, `.usage` where it is none of
    ///   version 2, `.privilege` for want of capabilities.
    public init(_ settings: MeterSettings, pool: String) throws(Failure) {
        let act = "meter the cgroup \(settings.cgroup)"
        self.settings = settings
        cgroup = try Self.identity(of: settings.cgroup, act: act)
        let meters = Self.folder(ofPool: pool)
        folder = meters.subfolder("\(cgroup)")
        do throws(PlaneError) {
            let folder = self.folder
            let lines = try PlaneError.wrap { () throws(KernelError) in
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

    /// Whether there is such a cgroup, as far as that can be told without metering it.
    public static func check(_ settings: MeterSettings) throws(Failure) {
        _ = try identity(of: settings.cgroup, act: "meter the cgroup \(settings.cgroup)")
    }

    private static func prefixes(of settings: MeterSettings, in folder: PinFolder) throws(PlaneError) -> Descriptor {
        let map = try folder.map("internal", RPA_MAP_PREFIXES, valueSize: 4, entries: RPA_MAX_INTERNAL)
        do throws(KernelError) { try InternalPrefixes.write(settings.internalPrefixes, to: map) } catch {
            throw .call(error)
        }
        return map
    }

    private struct NoConstants: BitwiseCopyable {}

    /// Other prefixes, of the same cgroup: no packet is missed meanwhile, some may be
    /// counted by the old ones.
    public func change(_ settings: MeterSettings) throws(Failure) {
        do throws(KernelError) {
            try InternalPrefixes.write(settings.internalPrefixes, to: prefixes)
            self.settings = settings
        } catch {
            throw Self.failure(error, act: "change the internal prefixes of \(settings.cgroup)")
        }
    }

    /// Whether the cgroup is still the one that it was: else it is to be made anew.
    public var isCurrent: Bool {
        var now: UInt64 = 0
        return rpa_cgroup_id(settings.cgroup, &now) != 1 || now == cgroup
    }

    /// By direction and network.
    public func counters(act: String) throws(Failure) -> [UsageReading.Counter] {
        do throws(KernelError) {
            return try MeterCounts(counts).counters { [path = settings.cgroup] in .cgroup(path, $0, $1) }
        } catch {
            throw Self.failure(error, act: act)
        }
    }

    /// Beside what is attached there already; in place of our own program of before.
    private static func attach(
        _ program: borrowing Descriptor, as pin: String, _ isEgress: Bool, _ cgroup: String, in folder: PinFolder
    ) throws(PlaneError) {
        if let link = try folder.open(pin) {
            var identity: UInt64 = 0
            if rpa_link_cgroup(link.number, &identity) == 0, identity != 0 {
                let result = rpa_update_link(link.number, program.number)
                return try PlaneError.wrap { () throws(KernelError) in try kernel("bpf_link_update", result) }
            }
            rpa_remove_file("\(folder.path)/\(pin)")
        }
        let result = rpa_attach_cgroup(cgroup, program.number, isEgress ? 1 : 0)
        let link = Descriptor(
            owning: try PlaneError.wrap { () throws(KernelError) in try kernel("bpf_link_create", result) })
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

    /// - Parameter pool: its folder.
    private static func meaning(of error: PlaneError, act: String, pool: String) -> Failure {
        if case .call(let call) = error, call.operation == "bpf_link_create", [1, 13, 22].contains(call.errno) {
            return Failure(
                .privilege, act: act, cause: "no program may be attached to it", errno: call.errno,
                remedy:
                    "give the agent CAP_NET_ADMIN beside CAP_BPF (AmbientCapabilities= of its unit), or remove meter")
        }
        return error.failure(act: act, pool: pool.split(separator: "/").last.map(String.init) ?? "")
    }
}
