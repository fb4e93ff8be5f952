import CBPFShim
import Glibc
import PoolModel
import PoolReport

/// Answers about exporters. Reading all of them from the kernel takes some milliseconds of the agent's
/// one thread, and is therefore done at most once a second.
final class ExporterPages: EventSource {
    private let pool: RunningPool
    private var records: [ExporterRecord] = []
    /// When `records` expire; nil: there are none.
    private var recordExpiry: ContinuousClock.Instant?
    private var sessions: [IPAddress: BMPSessions] = [:]
    private var sessionExpiry: ContinuousClock.Instant?
    private static let life = Duration.seconds(1)
    private let act = "list exporters"

    init(pool: RunningPool) { self.pool = pool }

    func list(_ parameters: [HTTPRequest.NamedValue]) throws(Failure) -> ExporterList {
        let kernel = pool.kernel
        let query = try ExporterQuery(
            parameters.map { ($0.name.shown, $0.value.shown) }, collectors: kernel.collectorNames)
        let records = try current()
        let (matching, page) = query.select(from: records, slots: kernel.slots)
        return ExporterList(
            pool: kernel.configuration.pool, total: records.count, matching: matching, query: query,
            exporters: page.map { $0.tracked(kernel.collector) }, tracking: try pool.tracking(act: act))
    }

    func detail(of text: String) throws(Failure) -> ExporterDetail {
        let address = try IPAddress(argument: text.shown).unmapped
        let record = try current().first { $0.address.unmapped == address }
        return ExporterDetail(
            exporter: record.map { $0.tracked(pool.kernel.collector) }, explanation: try pool.kernel.explain(address),
            sessions: try currentSessions()[address] ?? BMPSessions(),
            isTracking: pool.kernel.configuration.tracking.size > 0)
    }

    /// At most once in a sampling interval, because the kernel looks at every connection of the host.
    private func currentSessions() throws(Failure) -> [IPAddress: BMPSessions] {
        let now = ContinuousClock.now
        if let sessionExpiry, now < sessionExpiry { return sessions }
        sessions = try pool.kernel.bmpSessions(act: act)
        sessionExpiry = now + max(pool.kernel.samplingInterval, .seconds(1))
        return sessions
    }

    let waits: [pollfd] = []

    var nextDeadline: ContinuousClock.Instant? { [recordExpiry, sessionExpiry].compactMap(\.self).min() }

    /// Releases what has expired.
    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        let isLarge = records.count + sessions.count > 10_000
        if recordExpiry.isDue(at: now) { (records, recordExpiry) = ([], nil) }
        if sessionExpiry.isDue(at: now) { (sessions, sessionExpiry) = ([:], nil) }
        if isLarge, records.count + sessions.count <= 10_000 { rpa_trim_memory() }
    }

    private func current() throws(Failure) -> [ExporterRecord] {
        let now = ContinuousClock.now
        if let recordExpiry, now < recordExpiry { return records }
        records = try pool.kernel.exporterRecords(act: act)
        recordExpiry = now + Self.life
        return records
    }
}
