import PoolModel

/// A page of the tracked exporters: the content of GET /exporters.
public struct ExporterList: Equatable, Sendable, Codable {
    public var pool: String
    /// Number of tracked exporters.
    public var total: Int
    /// Number of exporters that match the requested collector and prefix.
    public var matching: Int
    /// Number of matching exporters before the first one in the list.
    public var offset: Int
    public var limit: Int
    /// The requested order, `-bytes` by default.
    public var sort: String
    public var exporters: [ExporterStatus]
    /// Nil: tracking is off.
    public var tracking: TrackingStatus?
    /// A sentence for people; nil: tracking is on.
    public var advice: String?

    public init(
        pool: String, total: Int, matching: Int, query: ExporterQuery, exporters: [ExporterStatus],
        tracking: TrackingStatus?
    ) {
        self.pool = pool
        self.total = total
        self.matching = matching
        offset = query.offset
        limit = query.limit
        sort = "\(query.order)"
        self.exporters = exporters
        self.tracking = tracking
        if tracking?.size == 0 { advice = Tracking.offAdvice }
    }
}

/// All known facts about an address: the content of GET /exporters/ADDRESS.
public struct ExporterDetail: Equatable, Sendable {
    /// Nil: the address isn't tracked.
    public var exporter: ExporterStatus?
    /// Where its traffic goes, even if it never sent.
    public var explanation: Explanation
    /// Number of its live sessions.
    public var sessionCount: Int
    /// The first live sessions, at most `BMPSessions.limit`.
    public var sessions: [BMPSession]
    /// A sentence for people; nil: tracking is on.
    public var advice: String?

    public init(
        exporter: ExporterStatus?, explanation: Explanation, sessions: BMPSessions, isTracking: Bool = true
    ) {
        if !isTracking { advice = Tracking.offAdvice }
        self.exporter = exporter
        self.explanation = explanation
        sessionCount = sessions.count
        self.sessions = sessions.listed
    }
}

extension ExporterDetail: Codable {
    private enum CodingKeys: CodingKey { case exporter, explanation, sessionCount, sessions, advice }

    /// The key `exporter` is present even if it is null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(exporter, forKey: .exporter)
        try container.encode(explanation, forKey: .explanation)
        try container.encode(sessionCount, forKey: .sessionCount)
        try container.encode(sessions, forKey: .sessions)
        try container.encodeIfPresent(advice, forKey: .advice)
    }
}
