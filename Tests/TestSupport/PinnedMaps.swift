import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab

/// The content of a pool's pinned maps, byte for byte, for comparison.
public struct PinnedMaps: Equatable, Sendable {
    /// The bytes of each map, by path below the pool's folder.
    public let content: [String: [UInt8]]

    private static let shapes: [String: (entries: UInt32, bytes: Int, isPerCPU: Bool)] = [
        "slots": (UInt32(RPA_MAX_SLOTS), MemoryLayout<rpa_slot>.size, false),
        "settings": (1, MemoryLayout<rpa_settings>.size, false),
        "tenants": (UInt32(RPA_MAX_SLOTS), MemoryLayout<rpa_tenant>.size, false),
        // Of the first two workers of each slot.
        "sockets": (2 * UInt32(RPA_MAX_SLOTS), 8, false),
        "group_sockets": (UInt32(RPA_MAX_GROUPS), 4, false),
        "traffic": (UInt32(RPA_MAX_SLOTS), MemoryLayout<rpa_traffic>.size, true),
        "bases": (UInt32(RPA_MAX_SLOTS), MemoryLayout<rpa_base>.size, false),
        "drops": (UInt32(RPA_MAX_SLOTS), MemoryLayout<rpa_drops>.size, false),
        "losses": (1, MemoryLayout<rpa_losses>.size, true),
    ]

    /// - Parameters:
    ///   - groups: folder names below `groups`.
    ///   - slots: number of entries to read of each map, from the first; rows are read completely.
    public static func read(
        pool: String = "edge", groups: [String] = ["udp-4739-0_0_0_0", "tcp-1790-0_0_0_0"],
        bpffs: String = "/sys/fs/bpf/reuseport-agent", slots: UInt32? = nil
    ) throws -> PinnedMaps {
        var content: [String: [UInt8]] = [:]
        let shapes = shapes.mapValues { (min($0.entries, slots ?? $0.entries), $0.bytes, $0.isPerCPU) }
        for name in ["slots", "settings", "tenants", "group_sockets"] {
            content[name] = try dump("\(bpffs)/\(pool)/\(name)", shape: shapes[name]!)
        }
        // The maps of the generation in force.
        let (parity, rowCount) = content["settings"]!.withUnsafeBytes { bytes in
            let settings = bytes.loadUnaligned(as: rpa_settings.self)
            let parity = settings.generation & 1
            let shape = parity == 1 ? settings.shapes.1 : settings.shapes.0
            return (parity, UInt32(shape.row_count))
        }
        let generation = "\(bpffs)/\(pool)/generation-\(parity)"
        content["rows"] = try dump("\(generation)/rows", shape: (rowCount, 8, false))
        let perWord = UInt32(RPA_OWNERS_PER_WORD)
        let words = (rowCount + perWord - 1) / perWord
        content["owners"] = Array(try dump("\(generation)/owners", shape: (words, 8, false)).prefix(Int(rowCount)))
        for group in groups {
            for name in ["sockets", "traffic", "bases", "drops", "losses"] {
                content["\(group)/\(name)"] = try dump("\(bpffs)/\(pool)/groups/\(group)/\(name)", shape: shapes[name]!)
            }
        }
        // Without the agent's probes, which change although the pool doesn't.
        for word in [
            MemoryLayout<rpa_settings>.offset(of: \.probe)!, MemoryLayout<rpa_settings>.offset(of: \.probe_entry)!,
        ] {
            content["settings"]!.replaceSubrange(word..<word + 8, with: repeatElement(0, count: 8))
        }
        let size = MemoryLayout<rpa_losses>.size
        let probes = MemoryLayout<rpa_losses>.offset(of: \.probes)!
        for key in groups.map({ "\($0)/losses" }) {
            for start in stride(from: probes, to: content[key]!.count, by: size) {
                // With the answer beside the count.
                content[key]!.replaceSubrange(start..<start + 16, with: repeatElement(0, count: 16))
            }
        }
        return PinnedMaps(content: content)
    }

    /// Changes the layout version, to simulate another version of the agent.
    public static func setLayoutVersion(_ version: UInt64, pool: String = "edge") throws {
        let map = Descriptor(owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/\(pool)/settings"))
        var settings = rpa_settings()
        guard rpa_map_lookup(map.number, 0, &settings) == 0 else { throw LabError("no settings") }
        settings.layout_version = version
        guard rpa_map_update(map.number, 0, &settings) == 0 else { throw LabError("settings can't be written") }
    }

    /// Simulates an agent that was killed while it wrote rows. The settings' version is odd, all
    /// rows name one slot, and the owners are unchanged.
    public static func interruptWriting(allRowsTo slot: UInt16, pool: String = "edge") throws {
        let (generation, rowCount) = try beginWriting(pool: pool)
        for index in 0..<rowCount {
            try change("\(generation)/rows", index, 8) { bytes in
                let row = BucketRow(word: bytes.loadUnaligned(as: UInt64.self))
                bytes.storeBytes(of: row.putting(first: Slot(slot)).word, as: UInt64.self)
            }
        }
    }

    /// The same, but the rows have their target, and all owners are one slot.
    public static func interruptWriting(allOwnersTo slot: UInt8, pool: String = "edge") throws {
        let (generation, rowCount) = try beginWriting(pool: pool)
        for index in 0..<rowCount / UInt32(RPA_OWNERS_PER_WORD) {
            try change("\(generation)/owners", index, 8) { $0.copyBytes(from: repeatElement(slot, count: 8)) }
        }
    }

    /// - Returns: the folder of the generation in force, and its number of rows.
    private static func beginWriting(pool: String) throws -> (generation: String, rowCount: UInt32) {
        let folder = "/sys/fs/bpf/reuseport-agent/\(pool)"
        var (parity, rowCount) = (UInt64(0), UInt64(0))
        try change("\(folder)/settings", 0, MemoryLayout<rpa_settings>.size) { bytes in
            var settings = bytes.loadUnaligned(as: rpa_settings.self)
            settings.version += 1
            parity = settings.generation & 1
            rowCount = parity == 1 ? settings.shapes.1.row_count : settings.shapes.0.row_count
            bytes.storeBytes(of: settings, as: rpa_settings.self)
        }
        return ("\(folder)/generation-\(parity)", UInt32(rowCount))
    }

    private static func change(
        _ path: String, _ index: UInt32, _ size: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) throws {
        let map = Descriptor(owning: rpa_open_pin(path))
        var value = [UInt8](repeating: 0, count: size)
        guard rpa_map_lookup(map.number, index, &value) == 0 else { throw LabError("no \(path)") }
        value.withUnsafeMutableBytes(body)
        guard rpa_map_update(map.number, index, value) == 0 else { throw LabError("\(path) can't be written") }
    }

    /// The number of the agent's probes that the group's program has dropped.
    public static func probes(of group: String, pool: String = "edge") throws -> Int {
        let bytes = try dump("/sys/fs/bpf/reuseport-agent/\(pool)/groups/\(group)/losses", shape: shapes["losses"]!)
        return bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: MemoryLayout<rpa_losses>.size).reduce(0) {
                $0 + Int(raw.loadUnaligned(fromByteOffset: $1, as: rpa_losses.self).probes)
            }
        }
    }

    /// The peers' ports in the map "sessions".
    public static func sessionPorts(pool: String = "edge") throws -> [UInt16] {
        let map = Descriptor(owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/\(pool)/sessions"))
        var sessions: UnsafeMutablePointer<rpa_session>?
        var starts: UnsafeMutablePointer<rpa_session_start>?
        let count = rpa_session_all(map.number, &sessions, &starts)
        guard count >= 0 else { throw LabError("bpf_map_lookup_batch sessions: errno \(-count)") }
        defer {
            free(sessions)
            free(starts)
        }
        return (0..<Int(count)).map { UInt16(sessions![$0].port) }
    }

    public static func sessionCount(pool: String = "edge") throws -> Int { try sessionPorts(pool: pool).count }

    /// Filled slots of both sockarrays.
    public var socketCount: Int {
        content.filter { $0.key.hasSuffix("/sockets") }.values.reduce(0) { sum, bytes in
            sum + bytes.withUnsafeBytes { $0.bindMemory(to: UInt64.self).count { $0 != 0 } }
        }
    }

    /// Sets the clocks of vacant slots back, to simulate that the time has passed.
    public static func letPass(_ time: Duration, pool: String) throws {
        let map = Descriptor(owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/\(pool)/slots"))
        let ticks = UInt64(time / .nanoseconds(1)) >> UInt64(RPA_TICK_SHIFT)
        for index in 0..<UInt32(RPA_MAX_SLOTS) {
            var slot = rpa_slot()
            guard rpa_map_lookup(map.number, index, &slot) == 0 else { throw LabError("no slots of pool \(pool)") }
            let since = slot.down_since >> 16
            guard since > UInt64(RPA_LONG_AGO) else { continue }
            slot.down_since = (max(since, ticks + 2) - ticks) << 16 | slot.down_since & 0xffff
            guard rpa_map_update(map.number, index, &slot) == 0 else { throw LabError("slots can't be written") }
        }
    }

    /// Whether programs read the owners from the rows' own words.
    public var isWritingRows: Bool {
        content["settings"]!.withUnsafeBytes { $0.loadUnaligned(as: rpa_settings.self).version & 1 == 1 }
    }

    /// Rows whose owner the map "owners" lacks or has wrong.
    public var rowsWithAnotherOwner: [Int] {
        guard let owners = content["owners"], let rows = content["rows"] else { return [] }
        return rows.withUnsafeBytes { rows in
            rows.bindMemory(to: UInt64.self).enumerated().compactMap { index, word in
                let owner = BucketRow(word: word).owner.map { UInt32($0.index) } ?? RPA_OWNER_IN_ROW
                return UInt32(owners[index]) == min(owner, RPA_OWNER_IN_ROW) ? nil : index
            }
        }
    }

    /// The names of maps that differ.
    public func differences(from other: PinnedMaps) -> [String] {
        content.keys.filter { content[$0] != other.content[$0] }.sorted()
    }

    /// Slots that a row names and no collector has.
    public var slotsWithoutTenant: Set<UInt16> {
        let tenantSize = MemoryLayout<rpa_tenant>.size
        let named = (content["rows"] ?? []).withUnsafeBytes { rows in
            let words = Set(rows.bindMemory(to: UInt64.self).map { BucketRow(word: $0).word })
            return Set(words.flatMap { BucketRow(word: $0).ranks.map(\.index) })
        }
        return named.filter { content["tenants"]?[Int($0) * tenantSize] == 0 }
    }

    private static func dump(_ path: String, shape: (entries: UInt32, bytes: Int, isPerCPU: Bool)) throws -> [UInt8] {
        let number = rpa_open_pin(path)
        guard number >= 0 else { throw LabError("no pin \(path): errno \(-number)") }
        let map = Descriptor(owning: number)
        let size = shape.bytes * (shape.isPerCPU ? Int(rpa_possible_cpus()) : 1)
        var content = [UInt8](repeating: 0, count: Int(shape.entries) * size)
        guard rpa_map_lookup_all(map.number, shape.entries, size, &content) != 0 else { return content }
        // A sockarray: its empty slots have no entry, and stay zeros.
        content.withUnsafeMutableBytes { bytes in
            for index in 0..<shape.entries {
                _ = rpa_map_lookup(map.number, index, bytes.baseAddress! + Int(index) * size)
            }
        }
        return content
    }
}
