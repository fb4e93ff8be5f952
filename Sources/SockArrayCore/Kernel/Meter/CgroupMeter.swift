import CBPFShim
import Glibc

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

    private static let wordsPerLine = MemoryLayout<rpa_meter>.size / 8

    /// Adopts the cgroup's meter, or makes it, and stops those of other cgroups.
    ///
    /// - Parameter pool: folder of the pool's pins.
    /// - Throws: `.absent` where there is no such cgroup now, `.usage` where it is none of
    ///   version 2, `.privilege` for want of capabilities.
    public init(_ settings: MeterSettings, pool: String) throws(Failure) {
        let act = "meter the cgroup \(settings.cgroup)"
        self.settings = settings
        cgroup = try Self.identity(of: settings.cgroup, act: act)
        let meters = PinFolder(path: pool + "/meter")
        folder = meters.subfolder("\(cgroup)")
        do throws(PlaneError) {
            let folder = self.folder
            let lines = try PlaneError.wrap { () throws(KernelError) in
                try folder.make()
                Self.name(settings.cgroup, in: folder)
                return Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
            }
            counts = try MappedArray.pinned("meter", in: folder, entries: lines, wordsPerEntry: Self.wordsPerLine)
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
        do throws(KernelError) { try write(settings, map) } catch { throw .call(error) }
        return map
    }

    private struct NoConstants: BitwiseCopyable {}

    /// Other prefixes, of the same cgroup: no packet is missed meanwhile, some may be
    /// counted by the old ones.
    public func change(_ settings: MeterSettings) throws(Failure) {
        do throws(KernelError) {
            try Self.write(settings, prefixes)
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

    /// What the other meters of the pool have counted, for whom they did.
    ///
    /// - Parameter present: this one isn't among them.
    /// - Returns: with the sources that count no more.
    public static func counters(
        leftIn pool: String, besides present: CgroupMeter?, act: String
    ) throws(Failure) -> (counters: [UsageReading.Counter], departed: Set<UInt32>) {
        let meters = PinFolder(path: pool + "/meter")
        var (all, departed): ([UsageReading.Counter], Set<UInt32>) = ([], [])
        do throws(KernelError) {
            for name in meters.names() where name != present.map({ "\($0.cgroup)" }) {
                guard let counts = counts(in: meters.subfolder(name)) else { continue }
                let path = Self.name(in: meters.subfolder(name))
                let counters = try counts.counters { direction, network in
                    path.map { .cgroup($0, direction, network) }
                }
                all += counters.map { counter in
                    var counter = counter
                    (counter.fallback, counter.series) = (counter.series, nil)
                    return counter
                }
                if isStopped(meters.subfolder(name)) { departed.formUnion(counters.map(\.source)) }
            }
        } catch {
            throw failure(error, act: act)
        }
        return (all, departed)
    }

    /// Stops all meters of the pool.
    public static func stopAll(pool: String) { stop(in: PinFolder(path: pool + "/meter"), except: nil) }

    /// Takes stopped meters away: what they counted is kept elsewhere.
    ///
    /// - Parameter sources: the kernel's numbers of their counts; nil: of all.
    public static func forget(_ sources: Set<UInt32>?, pool: String) {
        let meters = PinFolder(path: pool + "/meter")
        let names = meters.names()
        guard !names.isEmpty else { return }
        for name in names {
            let folder = meters.subfolder(name)
            guard isStopped(folder) else { continue }
            if let sources, let source = try? counts(in: folder)?.source(), !sources.contains(source) { continue }
            try? folder.remove()
        }
        // Only if it was the last one.
        rpa_remove_folder(meters.path)
    }

    private static func counts(in folder: PinFolder) -> MeterCounts? {
        guard let map = try? folder.open("meter") else { return nil }
        return try? MeterCounts(map)
    }

    /// A symbolic link: whom the meter counts for, when the cgroup is gone and no ledger
    /// has seen it.
    private static func name(_ cgroup: String, in folder: PinFolder) {
        guard name(in: folder) != cgroup else { return }
        unlink("\(folder.path)/cgroup")
        symlink(cgroup, "\(folder.path)/cgroup")
    }

    private static func name(in folder: PinFolder) -> String? {
        var text = [UInt8](repeating: 0, count: 4_096)
        let length = text.withUnsafeMutableBytes {
            readlink("\(folder.path)/cgroup", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return length > 0 ? String(decoding: text[..<length], as: UTF8.self) : nil
    }

    private static let links = ["ingress", "egress"]

    /// Nothing is attached.
    private static func isStopped(_ folder: PinFolder) -> Bool { !folder.names().contains(where: links.contains) }

    /// Their counts stay.
    private static func stop(in meters: PinFolder, except kept: String?) {
        for name in meters.names() where name != kept {
            let folder = meters.subfolder(name)
            guard !isStopped(folder) else { continue }
            for pin in links {
                // The kernel lets go of a link that is unpinned in its own time.
                if let link = try? folder.open(pin) { rpa_detach_link(link.number) }
                rpa_remove_file("\(folder.path)/\(pin)")
            }
            rpa_remove_file("\(folder.path)/internal")
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

    /// First those that come, then those that go.
    private static func write(_ settings: MeterSettings, _ map: borrowing Descriptor) throws(KernelError) {
        var keys = Set(settings.internalPrefixes.map { Key($0) })
        let desired = keys
        var (key, isFirst, present) = (rpa_prefix(), Int32(1), Set<Key>())
        while rpa_prefix_next(map.number, &key, &isFirst) == 0 { present.insert(Key(key)) }
        keys.subtract(present)
        for key in keys {
            var raw = key.raw
            try kernel("bpf_map_update_elem internal", rpa_prefix_add(map.number, &raw))
        }
        for key in present.subtracting(desired) {
            var raw = key.raw
            try kernel("bpf_map_delete_elem internal", rpa_prefix_remove(map.number, &raw))
        }
    }

    private struct Key: Hashable {
        let length: UInt32
        let address: [UInt8]

        init(_ prefix: AddressPrefix) {
            length = UInt32(prefix.length)
            address = [prefix.high, prefix.low].flatMap { word in
                stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
            }
        }

        init(_ raw: rpa_prefix) {
            length = raw.length
            address = withUnsafeBytes(of: raw.address) { Array($0) }
        }

        var raw: rpa_prefix {
            var raw = rpa_prefix()
            raw.length = length
            withUnsafeMutableBytes(of: &raw.address) { $0.copyBytes(from: address) }
            return raw
        }
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

    private static func failure(_ error: KernelError, act: String) -> Failure {
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
        if case .program(let call, let log) = error {
            let line = log.split(separator: "\n").last { !$0.hasPrefix("processed ") }.map { ": \($0)" } ?? ""
            return Failure(
                .privilege, act: act, cause: "the kernel did not load the meter's program\(line)", errno: call.errno,
                remedy: "it needs CAP_BPF, and a kernel with CONFIG_CGROUP_BPF; see: reuseport-agent check")
        }
        return error.failure(act: act, pool: pool.split(separator: "/").last.map(String.init) ?? "")
    }
}

/// The lines of a meter, by CPU.
private struct MeterCounts {
    private let words: MappedArray
    private let lines: Int

    init(_ words: MappedArray) {
        self.words = words
        lines = max(0, Int(rpa_possible_cpus()))
    }

    /// Of a meter that another agent made.
    init(_ map: consuming Descriptor) throws(KernelError) {
        let lines = Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        self.init(try MappedArray(map: map, wordCount: lines * Self.wordsPerLine))
    }

    private static let wordsPerLine = MemoryLayout<rpa_meter>.size / 8

    /// The kernel's number of the map.
    func source() throws(KernelError) -> UInt32 {
        var source: UInt32 = 0
        try kernel("bpf_map_get_info meter", rpa_map_id(words.map.number, &source))
        return source
    }

    func counters(
        _ series: (UsageSeries.Direction, UsageSeries.Network) -> UsageSeries?
    ) throws(KernelError) -> [UsageReading.Counter] {
        let source = try source()
        return (0..<Int(RPA_METER_CLASSES)).map { kind in
            let total = (0..<lines).reduce(UInt64(0)) { $0 + words[$1 * Self.wordsPerLine + kind] }
            let direction: UsageSeries.Direction = kind & Int(RPA_EGRESS) == 0 ? .ingress : .egress
            let network: UsageSeries.Network = kind & Int(RPA_EXTERNAL) == 0 ? .internal : .external
            return UsageReading.Counter(
                source: source, index: UInt32(kind), series: series(direction, network), total: total)
        }
    }
}
