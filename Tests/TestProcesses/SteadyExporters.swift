import CBPFShim
import Glibc
import TelemetryLab

/// Exporters that send numbered datagrams at a steady rate, in turn, each from an
/// address of its own, and keep a session each, as routers do: one that is refused
/// or ends is opened again. A single thread, so that what was sent before a session
/// was closed and what after is certain.
final class SteadyExporters {
    struct Plan {
        /// The first exporter's IPv4 address; the others follow it.
        var firstAddress: UInt32
        var count: Int
        /// The rate of all exporters together.
        var datagramsPerSecond: Int
        /// The first so many have a session.
        var sessionCount: Int
    }

    private let ledger: Ledger
    private let plan: Plan
    private let sockets: [InternetSocket]
    private var collectors = LoopbackName.of(port: 4_739)
    private var routers: [RouterSession]
    private var waits: [pollfd]
    private var entryCount = 0
    private var numbers: [UInt32]
    private var turn = 0
    private var order: [Int] = []
    private var random = Lottery(state: 20_260_801)
    private static let nanosecondsPerSecond: UInt64 = 1_000_000_000
    /// Until a session that was ended is opened again, at least, in ns. Routers take
    /// seconds; who takes no time at all may be ahead of the agent.
    private static let pause: UInt64 = 100_000_000
    /// Most datagrams at once: what was missed while nobody let us run for longer than
    /// 100 ms isn't made up for.
    private let burst: Int

    init(_ ledger: Ledger, _ plan: Plan) throws {
        self.ledger = ledger
        self.plan = plan
        burst = max(400, plan.datagramsPerSecond / 10)
        sockets = try (0..<plan.count).map {
            try InternetSocket(.udp, bind: .v4(plan.firstAddress + UInt32($0)))
        }
        routers = (0..<plan.sessionCount).map {
            RouterSession(exporter: $0, address: .v4(plan.firstAddress + UInt32($0)))
        }
        waits = Array(repeating: pollfd(fd: -1, events: 0, revents: 0), count: plan.sessionCount)
        numbers = Array(repeating: 0, count: plan.count)
        ledger[.pid] = UInt64(getpid())
    }

    /// Until the test says that it is enough.
    func serve() throws {
        var last = rpa_monotonic_ns()
        var lastEnding = last
        var lastRound = last
        ledger[.start] = last
        while ledger[.stop] == 0 {
            let now = rpa_monotonic_ns()
            // Written only if it is more: the test may have set it to 0 just now.
            if now - lastRound > ledger[.stall] { ledger[.stall] = now - lastRound }
            lastRound = now
            let due = (now - last) * UInt64(plan.datagramsPerSecond) / Self.nanosecondsPerSecond
            if due >= burst {
                last = now
            } else {
                last += due * Self.nanosecondsPerSecond / UInt64(plan.datagramsPerSecond)
            }
            for _ in 0..<min(Int(due), burst) { send() }
            let endings = ledger[.endings]
            if endings == 0 {
                lastEnding = now
            } else if now - lastEnding >= Self.nanosecondsPerSecond / endings {
                lastEnding = now
                try endOne(at: now)
            }
            try attendSessions(at: now)
        }
    }

    /// Sends a datagram of the exporter whose turn it is.
    private func send() {
        let entry = LedgerEntry(
            kind: LedgerEntry.Kind.datagram.rawValue, exporter: UInt32(turn),
            session: turn < routers.count ? routers[turn].current : 0, number: numbers[turn], sent: rpa_monotonic_ns())
        let length = withUnsafeBytes(of: entry) { bytes in
            withUnsafeBytes(of: &collectors) { name in
                sendto(
                    sockets[turn].number, bytes.baseAddress, LedgerEntry.sizeOnWire, 0,
                    name.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(name.count))
            }
        }
        if length == LedgerEntry.sizeOnWire {
            numbers[turn] += 1
            ledger[countOf: turn] += 1
            ledger[.total] += 1
        }
        turn = turn + 1 == plan.count ? 0 : turn + 1
    }

    /// Every session once, in a random order, then again in another one.
    private func endOne(at now: UInt64) throws {
        if order.isEmpty { order = routers.indices.shuffled(using: &random) }
        guard let index = order.popLast(), routers[index].current != 0 else { return }
        try note(.ended, routers[index], at: rpa_monotonic_ns())
        routers[index].close(reopeningAt: now + Self.pause + random.next() % Self.pause)
        waits[index] = routers[index].wait
        ledger[.sessions] -= 1
    }

    private func attendSessions(at now: UInt64) throws {
        for index in routers.indices where routers[index].isDue(at: now) {
            try routers[index].connect(at: rpa_monotonic_ns())
            waits[index] = routers[index].wait
        }
        guard poll(&waits, UInt(waits.count), 1) > 0 else { return }
        for index in waits.indices where waits[index].fd >= 0 && waits[index].revents != 0 {
            let now = rpa_monotonic_ns()
            let kind = routers[index].proceed(at: now)
            waits[index] = routers[index].wait
            guard let kind else { continue }
            if kind == .began { ledger[.sessions] += 1 }
            if kind == .lost { ledger[.sessions] -= 1 }
            try note(kind, routers[index], at: now)
        }
    }

    private func note(_ kind: LedgerEntry.Kind, _ router: RouterSession, at now: UInt64) throws {
        try ledger.place(of: entryCount).pointee = LedgerEntry(
            kind: kind.rawValue, exporter: UInt32(router.exporter), session: router.number, sent: router.start,
            noted: now)
        entryCount += 1
    }
}
