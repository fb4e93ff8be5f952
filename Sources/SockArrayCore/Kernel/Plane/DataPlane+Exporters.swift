import CBPFShim

/// The exporters that the program keeps track of.
extension DataPlane {
    /// In no order; none where tracking is off. While exporters come and go an
    /// address may be there twice.
    public func seenExporters(act: String) throws(Failure) -> [Sighting] { try readSightings(act: act).sightings }

    /// The same, and what was not told apart for want of room.
    public func readSightings(
        act: String
    ) throws(Failure) -> (sightings: [Sighting], untracked: ExporterTraffic) {
        try attempt(act) { () throws(KernelError) in
            let forgotten = try forgottenSightings.counts()
            var all: (sightings: [Sighting], untracked: ExporterTraffic) = ([], ExporterTraffic())
            if let sightings { all = try sightings.read() }
            all.untracked += ExporterTraffic(runs: forgotten.runs, bytes: forgotten.bytes)
            return all
        }
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

    public func tracking(act: String) throws(Failure) -> TrackingStatus { try attempt(act, trackingStatus) }

    func trackingStatus() throws(KernelError) -> TrackingStatus {
        let tracking = configuration.tracking
        let forgotten = try forgottenSightings.counts()
        var status = TrackingStatus(
            size: tracking.size, fill: 0, interval: 0, configuredInterval: tracking.interval / .seconds(1),
            untracked: ExporterTraffic(runs: forgotten.runs, bytes: forgotten.bytes), evicted: forgotten.evicted,
            eventsLost: forgotten.events_lost)
        guard let sightings else { return status }
        let (used, evicted) = try sightings.admitted()
        let unplaced = try sightings.unplaced()
        status.tracked = used
        status.fill = Double(used) / Double(tracking.size)
        status.interval = pace.interval(of: tracking.interval) / .seconds(1)
        // Only then is there anything under another epoch.
        status.untracked += evicted == 0 ? unplaced.traffic : try untrackedTraffic(of: sightings)
        // What changes its place while it is read is missing for that moment.
        leastUntracked.runs = max(leastUntracked.runs, status.untracked.runs)
        leastUntracked.bytes = max(leastUntracked.bytes, status.untracked.bytes)
        status.untracked = leastUntracked
        status.evicted += evicted
        status.eventsLost += unplaced.eventsLost
        return status
    }

    /// Looked at again after a second, or later where it takes long: the agent has one thread.
    private func untrackedTraffic(of sightings: SightingTable) throws(KernelError) -> ExporterTraffic {
        let now = rpa_monotonic_ns()
        if let (traffic, expiry) = untrackedTraffic, now < expiry { return traffic }
        // In this order: what is noted meanwhile is missing for a moment, and not there twice.
        var traffic = try sightings.unplaced().traffic
        traffic += try sightings.evictedTraffic()
        let end = rpa_monotonic_ns()
        untrackedTraffic = (traffic, end + max(1_000_000_000, 100 * (end - now)))
        return traffic
    }

    /// To be called once for each interval: makes it longer while the table can't hold
    /// all exporters, and shorter again.
    public func lookAtPace(act: String) throws(Failure) {
        guard let sightings else { return }
        try attempt(act) { () throws(KernelError) in
            let (traffic, eventsLost) = try sightings.unplaced()
            pace.look(
                SamplingPace.Pressure(
                    evicted: try sightings.admitted().evicted, untrackedRuns: traffic.runs, eventsLost: eventsLost))
        }
        settings.sampling = Sampling(interval: samplingInterval)
    }

    /// Between two events of an exporter, as it is now.
    public var samplingInterval: Duration { pace.interval(of: configuration.tracking.interval) }

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
