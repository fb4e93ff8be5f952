/// Which collector has which slot. A name keeps its slot as long as it stays in
/// the configuration, whatever the order of the list.
public struct SlotAllocation: Equatable, Sendable {
    /// Slots of a pool (RPA_MAX_SLOTS).
    public static let capacity = 256

    public private(set) var slotOfName: [String: Slot]
    /// Slots whose names left the configuration, in order.
    public private(set) var freed: [Slot]

    /// - Parameters:
    ///   - names: at most `capacity`, each once.
    ///   - present: names by slot, as they were until now.
    public init(names: [String], present: [Slot: String] = [:]) {
        let wanted = Set(names)
        let kept = present.filter { wanted.contains($0.value) }
        slotOfName = Dictionary(uniqueKeysWithValues: kept.map { ($0.value, $0.key) })
        freed = present.keys.filter { kept[$0] == nil }.sorted()
        // New names in alphabetical order, so that even a fresh pool has the
        // same slots for any order of the list.
        var free = (0..<UInt16(Self.capacity)).lazy.map(Slot.init).filter { kept[$0] == nil }.makeIterator()
        for name in names.sorted() where slotOfName[name] == nil {
            slotOfName[name] = free.next()
        }
    }

    public subscript(name: String) -> Slot? { slotOfName[name] }
}

extension Contender {
    /// The configuration's collectors, each with its slot.
    static func all(of configuration: PoolConfiguration, _ allocation: SlotAllocation) -> [Contender] {
        configuration.collectors.compactMap { collector in
            allocation[collector.name].map {
                Contender(name: collector.name, weight: collector.weight, slot: $0)
            }
        }
    }
}
