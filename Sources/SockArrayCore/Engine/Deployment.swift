import CBPFShim
import Glibc
import PoolModel

/// A configuration with the kernel objects that carry it out. A reload makes another deployment and
/// replaces the present one as a whole.
final class Deployment {
    let configuration: PoolConfiguration
    /// Exporters' pins beside those of the configuration.
    let pins: [Pin]
    let table: AssignmentTable
    let allocation: SlotAllocation
    let groups: [PoolGroup]
    let generation: Generation
    /// Nil: the program does not track exporters.
    let trackedExporters: TrackedExporterTable?
    let maps: PoolMaps

    init(
        _ configuration: PoolConfiguration, pins: [Pin], _ table: AssignmentTable, _ allocation: SlotAllocation,
        _ groups: [PoolGroup], _ generation: Generation, _ trackedExporters: TrackedExporterTable?, _ maps: PoolMaps
    ) {
        (self.configuration, self.pins, self.table) = (configuration, pins, table)
        (self.allocation, self.groups, self.generation) = (allocation, groups, generation)
        (self.trackedExporters, self.maps) = (trackedExporters, maps)
    }

    /// The maps that all groups share, by the names that the programs give them.
    var bindings: [(name: String, number: Int32)] { maps.bindings(with: trackedExporters) }

    /// Rows stay with their exporters' sessions.
    var follows: Bool { configuration.onMove != .immediate && table.assignment.hasAffinity }

    /// The collectors of the configuration with their slots.
    var collectors: [WeightedCollector] { WeightedCollector.all(of: configuration, allocation) }

    /// The same without those whose slot another collector has to leave first.
    var collectorsWithFreeSlots: [WeightedCollector] { collectors.filter { !allocation.heirs.contains($0.name) } }

    /// The table's rows for these collectors, without the slots that drain.
    func rows(for collectors: [WeightedCollector]) -> [BucketRow] {
        let closed = Set(collectors.map(\.slot).filter { maps.tenants.tenant(of: $0)?.drain != nil })
        let rows = table.rows(for: collectors)
        return closed.isEmpty ? rows : rows.map { $0.without(closed) }
    }

    /// Keeps the groups when their last collector ends.
    func keepGroups() { for group in groups { keep(group) } }

    func keep(_ group: PoolGroup) { group.keep(for: configuration.collectorUser, collectors: collectorUsers) }

    /// Users (uid) that the sockets of present and former collectors belong to.
    var collectorUsers: [UInt32] { maps.tenants.all().values.compactMap(\.user) }

    var hasPlaceholders: Bool { groups.contains { $0.placeholder != nil } }
}

/// Waits until every run of a program that may have seen the rows or sockets before has ended.
func waitForRuns() {
    // Where the kernel does not offer membarrier(2): far longer than a run can take.
    if rpa_wait_for_runs() < 0 { usleep(100_000) }
}
