import CBPFShim
import SockArrayCore

/// Answers about exporters. All of them are read from the kernel at most once a
/// second, however many ask: that takes some milliseconds, and the agent has one thread.
final class ExporterPages {
    private let pool: RunningPool
    private var records: [ExporterRecord] = []
    /// When `records` are too old, CLOCK_MONOTONIC in nanoseconds; nil: they are not there.
    private(set) var expiry: UInt64?
    private static let life: UInt64 = 1_000_000_000
    private let act = "list exporters"

    init(pool: RunningPool) { self.pool = pool }

    func list(_ parameters: [HTTPRequest.Parameter]) throws(Failure) -> ExporterList {
        let plane = pool.plane
        let query = try ExporterQuery(
            parameters.map { ($0.name.shown, $0.value.shown) }, collectors: plane.collectorNames)
        let records = try current()
        let (matching, page) = query.select(from: records, slots: plane.slots)
        return ExporterList(
            pool: plane.configuration.pool, total: records.count, matching: matching, query: query,
            exporters: page.map { $0.tracked(plane.collector) }, tracking: try pool.status().tracking)
    }

    func detail(of text: String) throws(Failure) -> ExporterDetail {
        let address = try IPAddress(argument: text.shown).unmapped
        let record = try current().first { $0.address.unmapped == address }
        return ExporterDetail(
            exporter: record.map { $0.tracked(pool.plane.collector) }, explanation: try pool.plane.explain(address),
            sessions: [])
    }

    /// Gives back the memory of what nobody has asked for lately.
    func forget(now: UInt64) {
        guard let expiry, expiry <= now else { return }
        let isLarge = records.count > 10_000
        (records, self.expiry) = ([], nil)
        if isLarge { rpa_trim_memory() }
    }

    private func current() throws(Failure) -> [ExporterRecord] {
        let now = rpa_monotonic_ns()
        if let expiry, now < expiry { return records }
        records = try pool.plane.exporterRecords(act: act)
        expiry = now + Self.life
        return records
    }
}
