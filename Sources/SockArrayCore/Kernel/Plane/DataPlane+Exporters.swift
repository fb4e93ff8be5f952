/// The exporters that the program keeps track of.
extension DataPlane {
    /// In no order; none where tracking is off. While exporters come and go an
    /// address may be there twice.
    public func seenExporters(act: String) throws(Failure) -> [Sighting] { try readSightings(act: act).sightings }

    /// The same, and what was not told apart for want of room.
    public func readSightings(
        act: String
    ) throws(Failure) -> (sightings: [Sighting], untracked: ExporterTraffic) {
        try attempt(act, exporterTracker.read)
    }

    /// As dashboards see them, in no order.
    public func exporterRecords(act: String) throws(Failure) -> [ExporterRecord] {
        let clock = BootClock.now()
        return try seenExporters(act: act).map { seen in
            ExporterRecord(
                address: seen.address, slot: seen.slot, firstSeen: clock.unixTime(of: seen.firstSeen),
                lastSeen: clock.unixTime(of: seen.lastSeen), udp: seen.udp, tcp: seen.tcp)
        }
    }

    public func tracking(act: String) throws(Failure) -> TrackingStatus { try attempt(act, exporterTracker.status) }

    /// To be called once for each interval: see `ExporterTracker.adjustInterval`.
    public func lookAtPace(act: String) throws(Failure) {
        if try attempt(act, exporterTracker.adjustInterval) {
            settings.sampling = Sampling(interval: samplingInterval)
        }
    }

    /// The least time between two events of an exporter, as it is now.
    public var samplingInterval: Duration { exporterTracker.interval }

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
