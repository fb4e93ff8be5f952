import PoolModel

/// What a draining collector still has, and what its operator can do, in words.
extension DrainProgress {
    /// The queued data: `512 bytes and 1 connection`.
    public var queueText: String {
        [
            queuedBytes == 0 ? nil : "\(queuedBytes) bytes",
            queuedConnections == 0 ? nil : Self.count(queuedConnections, "connection"),
        ].compactMap(\.self).joined(separator: " and ")
    }

    /// `2 BMP sessions (192.0.2.1:41000 in group bmp, silent for 2 min; 192.0.2.2:179 in group bmp, silent for
    /// 3 s), 512 bytes to read`.
    public var text: String {
        let rows = rows == 0 || sessions != 0 ? nil : "exporters in \(rows) table rows"
        let queues = hasEmptyQueues ? nil : "\(queueText) to read"
        return [sessions == 0 ? nil : sessionText, rows, queues].compactMap(\.self).joined(separator: ", ")
    }

    private var sessionText: String {
        let count = Self.count(UInt64(sessions), "BMP session")
        guard let longestSilent, !longestSilent.isEmpty else { return count }
        let shown = longestSilent.prefix(Self.shownLimit).map { session in
            let isIPv6 = session.peer.contains(":")
            return (isIPv6 ? "[\(session.peer)]" : session.peer) + ":\(session.peerPort) in group \(session.group), "
                + "silent for \(Self.time(session.silentFor))"
        }
        let others = sessions - shown.count
        return "\(count) (\(shown.joined(separator: "; "))" + (others > 0 ? "; and \(others) more)" : ")")
    }

    private static let shownLimit = 3

    /// What keeps the collector from being empty, and the next step.
    ///
    /// - Parameter collector: the collector's name.
    public func remedy(for collector: String) -> String {
        var steps = ["it continues to drain"]
        if sessions > 0 { steps.append("exporters leave when their sessions end, or are cleared on the router") }
        if lacksTaker {
            steps.append(Self.noTaker)
        } else if sessions == 0, rows > 0, takers != nil {
            steps.append("the exporters' next collector is absent: they leave when it registers or its hold ends")
        }
        let wait = lacksTaker ? "" : "wait longer (--timeout), or "
        steps.append("\(wait)to stop draining, run: reuseport-agent undrain --collector \(collector)")
        return steps.joined(separator: "; ")
    }

    /// Why the drain can't end, for the answer to `drain`; nil: nothing prevents it.
    public var warning: String? { lacksTaker ? Self.noTaker : nil }

    /// Exporters stay, because every other collector is absent or drains.
    private var lacksTaker: Bool { takers == 0 && rows > 0 }

    private static let noTaker = "no other collector can take its exporters: register one"

    private static func count(_ number: UInt64, _ noun: String) -> String {
        "\(number) \(noun)" + (number == 1 ? "" : "s")
    }

    /// `12 s`, `5 min`, `3 h`, `2 days`: whole units, rounded down.
    private static func time(_ seconds: Double) -> String {
        let seconds = Int(min(max(seconds, 0), 1e12))
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7_200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3_600) h"
        default: return "\(seconds / 86_400) days"
        }
    }
}
