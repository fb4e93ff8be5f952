/// The maps that all groups of a pool share, beside its settings and tables.
final class PoolMaps {
    let slots: SlotTable
    let orphans: OrphanTable
    let tenants: TenantTable
    /// Nil: the program does not track exporters.
    let sightings: SightingTable?
    let forgottenSightings: ForgottenSightings
    let sightingEvents: SightingEvents
    let sessions: SessionTable
    let registry: GroupRegistry

    /// Adopts what is pinned in the folder, and makes what is not, in the sizes that the
    /// configuration asks for.
    ///
    /// - Parameter events: a ring buffer that is in use; nil: the pinned one.
    init(
        _ configuration: PoolConfiguration, in folder: PinFolder, events: SightingEvents? = nil
    ) throws(PlaneError) {
        slots = try SlotTable(in: folder)
        orphans = try OrphanTable(in: folder)
        tenants = try TenantTable(in: folder)
        sightings =
            configuration.tracking.size == 0 ? nil : try SightingTable(limit: configuration.tracking.size, in: folder)
        forgottenSightings = try ForgottenSightings(in: folder)
        sightingEvents = try Self.events(events, in: folder)
        sessions = try SessionTable(in: folder)
        registry = try GroupRegistry(in: folder)
    }

    private static func events(_ present: SightingEvents?, in folder: PinFolder) throws(PlaneError) -> SightingEvents {
        if let present { return present }
        return try SightingEvents(in: folder)
    }

    /// As the program names them. -1: a map of one entry, because the program names the maps
    /// of tracking also where it does not track.
    func bindings(with settings: borrowing PoolSettings) -> [(name: String, number: Int32)] {
        [
            ("slots", slots.map.number), ("settings", settings.map.number),
            ("group_sockets", registry.map.number), ("sessions", sessions.map.number),
            ("sighting_events", sightingEvents.map.number),
        ] + (sightings?.maps ?? SightingTable.pinNames.map { ($0, -1) })
    }
}
