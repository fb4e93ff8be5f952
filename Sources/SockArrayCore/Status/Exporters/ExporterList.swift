/// A page of the exporters that are tracked: the content of GET /exporters.
public struct ExporterList: Equatable, Sendable, Codable {
    public var pool: String
    /// Exporters that are tracked.
    public var total: Int
    /// Of these, those of the collector and the prefix that were asked for.
    public var matching: Int
    /// Of the matching ones, those before the first that is listed.
    public var offset: Int
    public var limit: Int
    /// As it was asked for, `-bytes` by default.
    public var sort: String
    public var exporters: [TrackedExporter]
    /// Nil: nothing is tracked.
    public var tracking: TrackingStatus?
    /// For people; nil: exporters are tracked.
    public var advice: String?

    public init(
        pool: String, total: Int, matching: Int, query: ExporterQuery, exporters: [TrackedExporter],
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

/// All that is known of an address: the content of GET /exporters/ADDRESS.
public struct ExporterDetail: Equatable, Sendable {
    /// Nil: nothing of it is tracked.
    public var exporter: TrackedExporter?
    /// Where it goes, also if it never sent.
    public var explanation: Explanation
    /// Its live ones.
    public var sessionCount: Int
    /// Of these, at most `BMPSessions.limit`.
    public var sessions: [BMPSession]
    /// For people; nil: exporters are tracked.
    public var advice: String?

    public init(
        exporter: TrackedExporter?, explanation: Explanation, sessions: BMPSessions, isTracking: Bool = true
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

    /// `exporter` is there also when it is null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(exporter, forKey: .exporter)
        try container.encode(explanation, forKey: .explanation)
        try container.encode(sessionCount, forKey: .sessionCount)
        try container.encode(sessions, forKey: .sessions)
        try container.encodeIfPresent(advice, forKey: .advice)
    }
}
