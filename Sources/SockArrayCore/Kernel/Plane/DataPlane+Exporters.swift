/// Exporters, as dashboards ask for them.
extension DataPlane {
    /// The exporters that the program keeps track of, in no order.
    public func exporterRecords(act: String) throws(Failure) -> [ExporterRecord] {
        try readSightings(act: act).sightings.map { seen in
            ExporterRecord(address: seen.address, udp: ExporterTraffic(runs: seen.runs, bytes: seen.bytes))
        }
    }

    /// Collectors of the configuration, then those that left it and still have a slot.
    public var collectorNames: [String] {
        let configured = configuration.collectors.map(\.name)
        return configured + Set(tenants.all().values.map(\.name)).subtracting(configured).sorted()
    }

    /// Nil: nobody has it any more.
    public func collector(at slot: Slot) -> String? {
        allocation.nameOfSlot[slot] ?? tenants.tenant(of: slot)?.name
    }

    /// Slots that the name has: more than one while it gets another.
    public func slots(of collector: String) -> Set<Slot> {
        var slots = Set(tenants.all().filter { $0.value.name == collector }.keys)
        if let slot = allocation[collector] { slots.insert(slot) }
        return slots
    }
}
