/// Losses of collectors that aren't logged yet.
///
/// A killed process closes its sockets one after the other, and its pidfd reports the end only after that
/// (do_exit() in the kernel). The agent reacts to a lost socket at once. Only the log message waits,
/// because its cause may be that the collector has ended.
struct PendingLossReports {
    struct Loss {
        var collector: String
        /// `has lost udp 0.0.0.0:4739`.
        var what: String
        /// What happens to the collector's exporters; nil if another message reports it.
        var fate: String?
        /// `process 812`.
        var process: String
        var hasEnded: () -> Bool
    }

    struct Told: Equatable {
        var collector: String
        var what: String
        /// The same without the process's number.
        var cause: String
        var fate: String?
    }

    /// The time to wait from a process's first closed socket to its end, in nanoseconds.
    static let endTimeout: UInt64 = 100_000_000
    /// In the order in which they happened.
    private var losses: [(loss: Loss, deadline: UInt64)] = []

    var deadline: UInt64? { losses.map(\.deadline).min() }
    var collectors: Set<String> { Set(losses.map(\.loss.collector)) }

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    mutating func add(_ loss: Loss, now: UInt64) { losses.append((loss, now + Self.endTimeout)) }

    /// Removes and returns the losses that are due.
    mutating func take(now: UInt64) -> [Told] { take { $0.deadline <= now } }

    /// Removes and returns all losses of a collector, because its process has ended or another one is
    /// registered.
    mutating func take(of collector: String) -> [Told] { take { $0.loss.collector == collector } }

    private mutating func take(where isDue: ((loss: Loss, deadline: UInt64)) -> Bool) -> [Told] {
        var told: [Told] = []
        losses.removeAll { entry in
            guard isDue(entry) else { return false }
            let loss = entry.loss
            let cause = loss.hasEnded() ? "has ended" : loss.what
            let what = cause == "has ended" ? "\(cause) (\(loss.process))" : cause
            told.append(Told(collector: loss.collector, what: what, cause: cause, fate: loss.fate))
            return true
        }
        return told
    }
}
