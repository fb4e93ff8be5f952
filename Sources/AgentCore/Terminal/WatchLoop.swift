import CBPFShim
import Glibc
import PoolModel
import PoolReport
import SockArrayCore

/// `status --watch` on a terminal: one thread that waits for answers, keys, signals and
/// the next time to ask.
package final class WatchLoop {
    private let statusPoll: StatusPoll
    private let screen: Screen
    private let signals: Descriptor
    private let interval: Duration
    private let hasKeys = isatty(STDIN_FILENO) == 1
    private var view = WatchView()
    /// The time of the last answer, kept while the agent doesn't answer.
    private var answerTime: ContinuousClock.Instant?
    /// The start of the next rates; nil after a time without answers.
    private var answered: (status: PoolStatus, time: ContinuousClock.Instant)?
    private var isEnded = false

    package init(_ client: ControlClient, interval: Double, painted: Bool) throws(Failure) {
        var inherited = rpa_inherited_signals()
        signals = try LaunchedCommand.takeSignals(&inherited, act: "watch the status")
        statusPoll = StatusPoll(client)
        self.interval = .seconds(interval)
        screen = try Screen(painted: painted)
        view.interval = interval
        view.clock = Self.clock
    }

    /// Runs until the user quits.
    package func run() throws {
        defer { screen.leave() }
        var next = ContinuousClock.now
        while !isEnded {
            if ContinuousClock.now >= next {
                take(statusPoll.ask())
                next = .now + interval
                try show()
            }
            let results = wait(until: next)
            try serveSignals()
            if results.keys { readKeys() }
            if results.hasRoom { try screen.proceed() }
            if let news = statusPoll.proceed() {
                take(news)
                try show()
            }
        }
    }

    private func wait(until next: ContinuousClock.Instant) -> (keys: Bool, hasRoom: Bool) {
        var waits = [
            pollfd(reading: signals.number), pollfd(reading: hasKeys ? STDIN_FILENO : nil),
            pollfd(reading: statusPoll.answer), pollfd(writing: screen.needsRoom),
        ]
        // The limit of `poll` matters: a process that reads no keys may miss the end of its terminal.
        poll(&waits, until: next)
        return (waits[1].revents != 0, waits[3].revents != 0)
    }

    private func take(_ news: StatusPoll.News?) {
        switch news {
        case .status(let status):
            let now = ContinuousClock.now
            if let answered, now > answered.time {
                let rates = PoolRates(from: answered.status, to: status, seconds: (now - answered.time) / .seconds(1))
                view.rates = rates
                let names = Set(status.collectors.map(\.name))
                view.trends = view.trends.filter { names.contains($0.key) }
                for name in names {
                    let trend = (view.trends[name] ?? []) + [rates.total(of: name)?.runs ?? 0]
                    view.trends[name] = trend.suffix(Figure.trendLength)
                }
            }
            answered = (status, now)
            answerTime = now
            view.status = status
            view.trouble = nil
            view.answerTime = Self.clock(WallClock.now)
        case .events(let events): view.events = events
        case .trouble(let failure):
            view.trouble = "\(failure)"
            view.rates = nil
            answered = nil
        case nil: break
        }
    }

    private func show() throws {
        guard let size = TerminalFacts.of(STDOUT_FILENO).size else {
            throw ReaderGone()
        }
        view.time = Self.clock(WallClock.now)
        if let answerTime { view.age = (ContinuousClock.now - answerTime) / .seconds(1) }
        try screen.show(view.frame(size), size)
    }

    private func serveSignals() throws {
        var signal = rpa_signal()
        var (isContinued, isResized) = (false, false)
        while rpa_next_signal(signals.number, &signal) == 1 {
            switch signal.number {
            case SIGINT, SIGTERM, SIGQUIT, SIGHUP: isEnded = true
            case SIGTSTP:
                screen.leave()
                rpa_raise(SIGTSTP)
                isContinued = true
            // Another process may have stopped this one, and a shell may have used the terminal since.
            case SIGCONT: isContinued = true
            case SIGWINCH: isResized = true
            default: break
            }
        }
        // The kernel sends SIGCONT with the SIGHUP of a terminal that is gone.
        guard !isEnded else { return }
        if isContinued {
            screen.leave()
            try screen.enter()
        }
        if isContinued || isResized { try show() }
    }

    private func readKeys() {
        var keys = [UInt8](repeating: 0, count: 256)
        let count = read(STDIN_FILENO, &keys, keys.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else {
            isEnded = true
            return
        }
        let before = view.offset
        for key in Keys.read(keys[..<count]) {
            switch key {
            case .quit: isEnded = true
            case .scroll(let lines): view.offset = min(max(0, view.offset + lines), 8_192)
            }
        }
        if view.offset != before { try? show() }
    }

    /// `17:02:46`, local time.
    private static func clock(_ time: Double) -> String { TimeText.local(Int(time), "%H:%M:%S") }
}

/// The action of a key.
enum Keys: Equatable {
    case quit
    case scroll(Int)

    /// q, Ctrl-C (if it sends no signal) and Ctrl-D quit; j, k, arrows and page keys scroll.
    static func read(_ bytes: ArraySlice<UInt8>) -> [Keys] {
        var rest = bytes
        var keys: [Keys] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4: keys.append(.quit)
            case UInt8(ascii: "j"): keys.append(.scroll(1))
            case UInt8(ascii: "k"): keys.append(.scroll(-1))
            case UInt8(ascii: " "): keys.append(.scroll(10))
            case 0x1b where rest.first == UInt8(ascii: "[") || rest.first == UInt8(ascii: "O"):
                rest = rest.dropFirst()
                // Parameters, then the letter that ends the sequence.
                var parameters: [UInt8] = []
                while let next = rest.first, !(0x40...0x7e).contains(next) {
                    parameters.append(next); rest = rest.dropFirst()
                }
                switch (rest.popFirst(), parameters) {
                case (UInt8(ascii: "A"), _): keys.append(.scroll(-1))
                case (UInt8(ascii: "B"), _): keys.append(.scroll(1))
                case (UInt8(ascii: "~"), [UInt8(ascii: "5")]): keys.append(.scroll(-10))
                case (UInt8(ascii: "~"), [UInt8(ascii: "6")]): keys.append(.scroll(10))
                default: break
                }
            default: break
            }
        }
        return keys
    }
}
