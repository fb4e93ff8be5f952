import CBPFShim

/// A pool in the kernel: the one place that writes its maps.
///
/// The maps and programs are pinned below the configuration's bpffs folder, and
/// work without this object. Making it adopts what is there and repairs only
/// what differs from the configuration. One process at a time has a pool.
public final class DataPlane {
    public let configuration: PoolConfiguration
    let allocation: SlotAllocation
    let hash: ExporterHash
    package let groups: [GroupPlane]
    let tenants: TenantTable
    private let rows: MappedArray
    private let slots: MappedArray
    private let settings: MappedArray
    private let lock: Descriptor

    public init(adopting configuration: PoolConfiguration) throws(Failure) {
        let act = "run pool \(configuration.pool)"
        let folder = PinFolder(path: "\(configuration.bpffs)/\(configuration.pool)")
        self.configuration = configuration
        hash = ExporterHash(seed: configuration.seed)
        try BPFFileSystem.prepare(configuration.bpffs, act: act)
        lock = try Self.lock(folder, pool: configuration.pool, act: act)
        do {
            settings = try MappedArray.pinned("settings", in: folder, entries: 1, wordsPerEntry: 4)
            try Self.checkSettings(settings, configuration, hash, act: act)
            rows = try MappedArray.pinned("rows", in: folder, entries: BucketRow.defaultTableSize, wordsPerEntry: 1)
            slots = try MappedArray.pinned(
                "slots", in: folder, entries: SlotAllocation.capacity, wordsPerEntry: 2)
            tenants = TenantTable(
                map: try folder.map(
                    "tenants", RPA_MAP_ARRAY, valueSize: MemoryLayout<rpa_tenant>.size, entries: RPA_MAX_SLOTS))
            var groups: [GroupPlane] = []
            for group in configuration.groups {
                let pins = folder.subfolder("groups").subfolder(group.pinName)
                try pins.make()
                groups.append(
                    try GroupPlane(
                        group: group, pins: pins, rows: rows.map, slots: slots.map, settings: settings.map,
                        constants: Self.constants(of: hash)))
            }
            self.groups = groups
            allocation = SlotAllocation(
                names: configuration.collectors.map(\.name),
                present: try tenants.all().mapValues(\.name))
            try applyAssignment()
            try finishInterruptedRegistrations()
            settings[SettingsWord.layoutVersion] = UInt64(RPA_LAYOUT_VERSION)
        } catch let error as PlaneError {
            throw error.failure(act: act, pool: configuration.pool)
        } catch let error as KernelError {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        } catch let failure as Failure {
            throw failure
        } catch {
            fatalError("unreachable: all errors above are typed")
        }
    }

    // MARK: - The slots' words

    struct SlotWords {
        /// How often the slot was filled.
        let tenancy: UInt64
        /// Since the program found it vacant; nil: it didn't.
        let vacantFor: Duration?
    }

    func words(of slot: Slot) -> SlotWords {
        let tenancy = slots[2 * Int(slot.index)]
        let vacancy = slots[2 * Int(slot.index) + 1]
        guard vacancy != 0, UInt16(truncatingIfNeeded: vacancy) == UInt16(truncatingIfNeeded: tenancy) else {
            return SlotWords(tenancy: tenancy, vacantFor: nil)
        }
        let ticks = Int64(bitPattern: Self.nowTicks &- vacancy >> 16)
        return SlotWords(
            tenancy: tenancy, vacantFor: .nanoseconds(max(0, ticks) << Int64(RPA_TICK_SHIFT)))
    }

    /// The slot is filled anew: whatever the program noticed before is void.
    func markFilled(_ slot: Slot) { slots[2 * Int(slot.index)] &+= 1 }

    /// The slot is given up: its hold counts as long over.
    func markAbandoned(_ slot: Slot) {
        let tenancy = slots[2 * Int(slot.index)]
        slots[2 * Int(slot.index) + 1] = 1 << 16 | tenancy & 0xffff
    }

    func row(of bucket: Bucket) -> BucketRow { BucketRow(word: rows[Int(bucket.index)]) }

    private static var nowTicks: UInt64 { rpa_monotonic_ns() >> UInt64(RPA_TICK_SHIFT) }

    // MARK: - Taking a pool over

    private enum SettingsWord {
        static let layoutVersion = 0
        static let tableSize = 1
        static let seedFingerprint = 2
        static let holdTicks = 3
    }

    private static func constants(of hash: ExporterHash) -> rpa_constants {
        let keys = hash.keys
        return rpa_constants(
            hash_keys: (keys[0], keys[1], keys[2], keys[3], keys[4]), table_size: UInt64(BucketRow.defaultTableSize))
    }

    private static func lock(_ folder: PinFolder, pool: String, act: String) throws(Failure) -> Descriptor {
        do {
            try folder.make()
            return Descriptor(owning: try kernel("flock \(folder.path)", rpa_lock_folder(folder.path)))
        } catch  where error.errno == KernelError.again {
            throw Failure(
                .conflict, act: act, cause: "another agent runs pool \(pool) (\(folder.path) is locked)",
                remedy: "stop that agent first, or give this pool another name")
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: pool)
        }
    }

    /// A pool that was made by this layout and seed is adopted; an unfinished one is finished.
    private static func checkSettings(
        _ settings: MappedArray, _ configuration: PoolConfiguration, _ hash: ExporterHash, act: String
    ) throws(Failure) {
        let unload = "run: reuseport-agent unload --pool \(configuration.pool) (its collectors register again after it)"
        let version = settings[SettingsWord.layoutVersion]
        guard version == 0 || version == UInt64(RPA_LAYOUT_VERSION) else {
            throw Failure(
                .conflict, act: act,
                cause: "its pins have layout \(version), this version knows layout \(RPA_LAYOUT_VERSION)",
                remedy: "run the version that made them, or \(unload)")
        }
        let fingerprint = hash.keys.reduce(0) { mix13($0 ^ $1) }
        guard version == 0 || settings[SettingsWord.seedFingerprint] == fingerprint else {
            throw Failure(
                .conflict, act: act,
                cause: "it runs with another seed, and a new one moves nearly every exporter",
                remedy: "put the old seed back, or \(unload)")
        }
        let (seconds, attoseconds) = configuration.restartHold.components
        let nanoseconds = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
        settings[SettingsWord.tableSize] = UInt64(BucketRow.defaultTableSize)
        settings[SettingsWord.seedFingerprint] = fingerprint
        settings[SettingsWord.holdTicks] = nanoseconds >> UInt64(RPA_TICK_SHIFT)
    }

    /// Names of new collectors, then the rows, then the slots that no row names
    /// any more: at no moment does a row name a slot that isn't its collector's.
    /// Heirs of a slot come last, when no row names it for the collector before.
    private func applyAssignment() throws(KernelError) {
        let all = Contender.all(of: configuration, allocation)
        let first = all.filter { !allocation.heirs.contains($0.name) }
        try nameSlots(first)
        writeRows(for: first)
        for slot in allocation.freed { try free(slot) }
        guard !allocation.heirs.isEmpty else { return }
        try nameSlots(all)
        writeRows(for: all)
    }

    private func nameSlots(_ contenders: [Contender]) throws(KernelError) {
        for contender in contenders where try tenants.tenant(of: contender.slot)?.name != contender.name {
            try tenants.set(Tenant(name: contender.name), at: contender.slot)
        }
    }

    private func writeRows(for contenders: [Contender]) {
        let table = Rendezvous(seed: configuration.seed).table(
            of: contenders, tableSize: BucketRow.defaultTableSize)
        for (index, row) in table.enumerated() where rows[index] != row.word { rows[index] = row.word }
    }

    /// Makes the slot one that never had a collector. Its counts stay the group's.
    private func free(_ slot: Slot) throws(KernelError) {
        for group in groups {
            try group.sockets.clear(slot)
            try group.retireTraffic(of: slot)
        }
        slots[2 * Int(slot.index)] = 0
        slots[2 * Int(slot.index) + 1] = 0
        try tenants.set(nil, at: slot)
    }
}

extension MappedArray {
    /// - Parameter wordsPerEntry: a value's size in 64-bit words.
    fileprivate static func pinned(
        _ name: String, in folder: PinFolder, entries: Int, wordsPerEntry: Int
    ) throws(PlaneError) -> MappedArray {
        let map = try folder.map(
            name, RPA_MAP_MMAPABLE_ARRAY, valueSize: 8 * wordsPerEntry, entries: Int32(entries))
        do {
            return try MappedArray(map: map, wordCount: entries * wordsPerEntry)
        } catch {
            throw .call(error)
        }
    }
}

extension ReuseportGroup {
    /// The group's folder of pins: what makes it this group, for bpffs allows no dots.
    var pinName: String {
        let bound = "\(address)".map { $0 == "." || $0 == ":" ? "_" : String($0) }.joined()
        return "\(transport.rawValue)-\(port)-\(bound)\(ipv6Only ? "-ipv6_only" : "")"
    }
}
