import CBPFShim

/// The kernel objects that all groups of a pool share. They are opened once, when the agent starts;
/// a reload keeps them.
final class PoolMaps {
    /// The pool's folder of pins.
    let folder: PinFolder
    let settings: PoolSettings
    let slots: SlotTable
    let orphans: OrphanTable
    let tenants: TenantTable
    let retiredCounts: RetiredCounts
    let exporterEvents: ExporterEvents
    let sessions: SessionTable
    let registry: GroupRegistry

    /// Adopts the pinned objects, and makes and pins those that are missing.
    init(in folder: PinFolder) throws(PoolError) {
        self.folder = folder
        do { settings = try PoolSettings(in: folder) } catch {
            // Settings of another layout may differ in size.
            guard case .foreignPin = error, let found = PoolSettings.layoutVersion(in: folder) else { throw error }
            throw .otherLayout(found: found)
        }
        // Before anything else is opened: objects of another layout differ in shape.
        let layout = settings.layoutVersion
        guard layout == 0 || layout == UInt64(RPA_LAYOUT_VERSION) else { throw .otherLayout(found: layout) }
        slots = try SlotTable(in: folder)
        orphans = try OrphanTable(in: folder)
        tenants = try TenantTable(in: folder)
        retiredCounts = try RetiredCounts(in: folder)
        exporterEvents = try ExporterEvents(in: folder)
        sessions = try SessionTable(in: folder)
        registry = try GroupRegistry(in: folder)
    }

    /// The maps by the names that the programs give them.
    ///
    /// - Parameter trackedExporters: nil: the programs do not track exporters, but name the maps of
    ///   tracking. They get maps of one entry (-1).
    func bindings(with trackedExporters: TrackedExporterTable?) -> [(name: String, number: Int32)] {
        [
            ("slots", slots.map.number), ("settings", settings.map.number),
            ("group_sockets", registry.map.number), ("sessions", sessions.map.number),
            ("exporter_events", exporterEvents.map.number),
        ] + (trackedExporters?.maps ?? TrackedExporterTable.pinNames.map { ($0, -1) })
    }
}
