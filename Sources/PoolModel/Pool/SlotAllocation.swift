/// The assignment of slots to collectors. A name keeps its slot as long as it stays in
/// the configuration, whatever the order of the list.
public struct SlotAllocation: Equatable, Sendable {
    /// Slots of a pool (RPA_MAX_SLOTS).
    public static let capacity = 256

    public private(set) var slotOfName: [String: Slot]
    /// Slots whose names left the configuration, in order. Rows may name them
    /// still, so they go to new names only when no other slot is left.
    public private(set) var freed: [Slot]
    /// The names that they had.
    public let departed: [String]
    /// Names that got one of the freed slots: all rows must leave the slot first.
    public private(set) var heirs: Set<String> = []

    /// - Parameters:
    ///   - names: at most `capacity`, each once.
    ///   - present: names by slot, as they were until now.
    public init(names: [String], present: [Slot: String] = [:]) {
        let wanted = Set(names)
        let kept = present.filter { wanted.contains($0.value) }
        slotOfName = Dictionary(uniqueKeysWithValues: kept.map { ($0.value, $0.key) })
        freed = present.keys.filter { kept[$0] == nil }.sorted()
        departed = freed.compactMap { present[$0] }.sorted()
        let unused = (0..<UInt16(Self.capacity)).map(Slot.init).filter { present[$0] == nil }
        var free = (unused + freed).makeIterator()
        // New names in alphabetical order, so that even a fresh pool has the
        // same slots for any order of the list.
        for name in names.sorted() where slotOfName[name] == nil {
            guard let slot = free.next() else { break }
            slotOfName[name] = slot
            if present[slot] != nil { heirs.insert(name) }
        }
    }

    public var nameOfSlot: [Slot: String] {
        Dictionary(uniqueKeysWithValues: slotOfName.map { ($0.value, $0.key) })
    }

    public subscript(name: String) -> Slot? { slotOfName[name] }
}

extension WeightedCollector {
    /// The configuration's collectors, each with its slot.
    package static func all(of configuration: PoolConfiguration, _ allocation: SlotAllocation) -> [WeightedCollector] {
        configuration.collectors.compactMap { collector in
            allocation[collector.name].map {
                WeightedCollector(name: collector.name, weight: collector.weight, slot: $0)
            }
        }
    }
}
