import CBPFShim
import Glibc
import PoolModel

/// Counts the bytes that the sockets of a cgroup send and receive. Links and maps are pinned
/// in a folder named by the cgroup's number, so counting continues without the agent.
public final class CgroupMeter {
    private(set) var settings: MeterSettings
    private let folder: PinFolder
    private let cgroup: UInt64
    private let counts: MappedArray
    private let prefixes: Descriptor

    /// Name of the meter's folder.
    var pinName: String { "\(cgroup)" }

    /// Adopts the cgroup's meter or makes one.
    ///
    /// - Parameters:
    ///   - meters: the folder of the pool's meters.
    ///   - pool: the name of the pool.
    /// - Throws: `.absent` if there is no such cgroup, `.usage` if it isn't a cgroup of
    ///   version 2, `.privilege` if capabilities are missing.
    init(_ settings: MeterSettings, in meters: PinFolder, pool: String) throws(Failure) {
        let act = "meter the cgroup \(settings.cgroup)"
        self.settings = settings
        cgroup = try Self.identity(of: settings.cgroup, act: act)
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
    func change(_ settings: MeterSettings) throws(Failure) {
        do throws(KernelError) {
            try InternalPrefixes.write(settings.internalPrefixes, to: prefixes)
            self.settings = settings
        } catch {
            throw Self.failure(error, act: "change the internal prefixes of \(settings.cgroup)")
        }
    }

    /// Whether the path still names the same cgroup: otherwise the meter must be made anew.
    var isCurrent: Bool {
        var now: UInt64 = 0
        return rpa_cgroup_id(settings.cgroup, &now) != 1 || now == cgroup
    }

    /// The counts, by direction and network.
    func counters(act: String) throws(Failure) -> [UsageReading.Counter] {
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
                try PoolError.check("bpf_link_update", rpa_update_link(link.number, program.number))
                return
            }
            unlink("\(folder.path)/\(pin)")
        }
        let result = rpa_attach_cgroup(cgroup, program.number, isEgress ? 1 : 0)
        let link = Descriptor(owning: try PoolError.check("bpf_link_create", result))
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

    private static func meaning(of error: PoolError, act: String, pool: String) -> Failure {
        if case .call(let call) = error, call.operation == "bpf_link_create", [1, 13, 22].contains(call.errno) {
            return Failure(
                .privilege, act: act, cause: "no program may be attached to it", errno: call.errno,
                remedy:
                    "give the agent CAP_NET_ADMIN beside CAP_BPF (AmbientCapabilities= of its unit), or remove meter")
        }
        return error.failure(act: act, pool: pool)
    }
}

/// The meters of a pool: the configured cgroup's, which counts, and stopped ones of previous cgroups.
/// Another cgroup, or the same path made anew, gets a new meter. Of a stopped meter, only the counts stay
/// pinned, until their bytes are in events on the disk (`forget`).
public final class PoolMeters {
    private let pool: String
    private let folder: PinFolder
    private var present: CgroupMeter?

    /// - Parameter pool: folder of the pool's pins.
    public init(pool: String) {
        self.pool = pool.split(separator: "/").last.map(String.init) ?? ""
        folder = PinFolder(path: pool + "/meter")
    }

    /// The metered cgroup.
    public var cgroup: String? { present?.settings.cgroup }

    /// Whether there is a meter, and its path still names the same cgroup.
    public var isCurrent: Bool { present?.isCurrent == true }

    /// Meters the cgroup of these settings, and stops the meters of other cgroups; nil: stops all.
    ///
    /// - Throws: as `CgroupMeter` does. Then the meters are as before.
    public func follow(_ wanted: MeterSettings?) throws(Failure) {
        if let wanted, let present, present.settings.cgroup == wanted.cgroup, present.isCurrent {
            if present.settings != wanted { try present.change(wanted) }
            return
        }
        present = try wanted.map { wanted throws(Failure) in try CgroupMeter(wanted, in: folder, pool: pool) }
        for name in folder.names() where name != present?.pinName { pinned(name).stop() }
    }

    private func pinned(_ name: String) -> PinnedMeter { PinnedMeter(folder: folder.subfolder(name)) }

    /// Adds the counts of all meters to a reading, and the sources that have stopped counting.
    public func read(into reading: inout UsageReading, act: String) throws(Failure) {
        if let present { reading.counters += try present.counters(act: act) }
        do throws(KernelError) {
            // A meter that is skipped here would count from 0 at the next reading.
            for name in try Directory.entries(of: folder.path) where name != present?.pinName {
                let meter = pinned(name)
                guard let counts = try meter.counts() else { continue }
                let path = meter.cgroup
                let counters = try counts.counters { direction, network in
                    path.map { .cgroup($0, direction, network) }
                }
                reading.counters += counters.map { counter in
                    var counter = counter
                    (counter.fallback, counter.series) = (counter.series, nil)
                    return counter
                }
                if meter.isStopped { reading.departed.formUnion(counters.map(\.source)) }
            }
        } catch {
            throw CgroupMeter.failure(error, act: act)
        }
    }

    /// Removes stopped meters whose counts are kept elsewhere.
    ///
    /// - Parameter sources: the kernel's numbers of their maps; nil: all of them.
    public func forget(_ sources: Set<UInt32>?) {
        let names = folder.names()
        guard !names.isEmpty else { return }
        for name in names {
            let meter = pinned(name)
            guard meter.isStopped else { continue }
            if let sources, !Self.isAmong(sources, meter) { continue }
            try? meter.folder.remove()
        }
        // Only if it was the last one.
        rmdir(folder.path)
    }

    /// Whether the sources include the meter's counts; true if it has none, false if they can't be read.
    private static func isAmong(_ sources: Set<UInt32>, _ meter: PinnedMeter) -> Bool {
        do throws(KernelError) {
            return try meter.counts().map { counts throws(KernelError) in sources.contains(try counts.source()) }
                ?? true
        } catch {
            return false
        }
    }
}
