/// Losses of collectors that are to be told of.
///
/// A process that is killed closes its sockets one after the other, and only then does
/// its pidfd say that it has ended (do_exit() in the kernel). So what follows from a lost
/// socket is done at once, and only the words wait a little: they may be that the
/// collector has ended.
struct PendingLossReports {
    struct Loss {
        var collector: String
        /// `has lost udp 0.0.0.0:4739`.
        var what: String
        /// `its exporters are held for 10.0 seconds`; nil: nothing more is told here.
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

    /// How long a process may take from its first socket to its end, in nanoseconds.
    static let endTimeout: UInt64 = 100_000_000
    /// In the order in which they happened.
    private var losses: [(loss: Loss, deadline: UInt64)] = []

    var deadline: UInt64? { losses.map(\.deadline).min() }
    var collectors: Set<String> { Set(losses.map(\.loss.collector)) }

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    mutating func add(_ loss: Loss, now: UInt64) { losses.append((loss, now + Self.endTimeout)) }

    /// Those that have waited long enough.
    mutating func take(now: UInt64) -> [Told] { take { $0.deadline <= now } }

    /// All of the collector: its process has ended, or another one is registered.
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
