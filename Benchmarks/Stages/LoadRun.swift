import CBPFShim
import Glibc
import TelemetryLab

/// Sends the ordered load, and measures the machine and the collectors meanwhile.
final class LoadRun {
    private let setting: StageSetting
    private let collectors: Collectors
    private let balancer: Balancer

    /// The seconds of warm-up, which aren't measured: queues and caches become steady.
    private static let beginning = 0.3

    init(_ setting: StageSetting, _ collectors: Collectors, _ balancer: Balancer) {
        (self.setting, self.collectors, self.balancer) = (setting, collectors, balancer)
    }

    func outcome(of order: LoadOrder) throws -> LoadOutcome {
        for ledger in collectors.ledgers { ledger.setBack() }
        switch order.kind {
        case .datagrams: return try datagrams(order)
        case .connections: return try connections(order)
        case .bulk: return try bulk(order)
        case .messages: return try messages(order)
        }
    }

    private func datagrams(_ order: LoadOrder) throws -> LoadOutcome {
        let load = try DatagramLoad(sources: order.sources, length: order.length, port: setting.port)
        try load.run(rate: order.rate, seconds: Self.beginning)
        let window = try measured({ $0.messages }) { try load.run(rate: order.rate, seconds: order.seconds) }
        return outcome(window, sent: load.sent, received: settled { $0.messages })
    }

    private func connections(_ order: LoadOrder) throws -> LoadOutcome {
        let load = StreamLoad(sourceCount: order.sources, port: setting.port)
        var answered = try load.connect(seconds: Self.beginning)
        let window = try measured({ $0.connections }) { answered += try load.connect(seconds: order.seconds) }
        return outcome(window, sent: answered, received: settled { $0.connections })
    }

    private func bulk(_ order: LoadOrder) throws -> LoadOutcome {
        let load = StreamLoad(sourceCount: order.sources, port: setting.port)
        var sent = try load.sendBulk(seconds: Self.beginning)
        let window = try measured({ $0.bytes }) { sent += try load.sendBulk(seconds: order.seconds) }
        return outcome(window, sent: sent, received: settled { $0.bytes })
    }

    private func messages(_ order: LoadOrder) throws -> LoadOutcome {
        let load = StreamLoad(sourceCount: order.sources, port: setting.port)
        // Two sessions of each source.
        let sessions = try load.openAll(2 * order.sources)
        defer { sessions.forEach(load.reset) }
        let rate = order.rate ?? 20_000
        var sent = try load.sendMessages(sessions, length: order.length, rate: rate, seconds: Self.beginning)
        let window = try measured({ $0.messages }) {
            sent += try load.sendMessages(sessions, length: order.length, rate: rate, seconds: order.seconds)
        }
        return outcome(window, sent: sent, received: settled { $0.messages })
    }

    private struct Window {
        var seconds: Double
        var received: UInt64
        var busyMicroseconds: Double
        var switches: Double
        var balancerMicroseconds: Double
        var balancerKibibytes: Double
    }

    private func sum(_ count: (Ledger) -> UInt64) -> UInt64 { collectors.ledgers.reduce(0) { $0 + count($1) } }

    private func measured(_ count: (Ledger) -> UInt64, _ body: () throws -> Void) throws -> Window {
        let own = balancer.cost
        let (began, before, machine) = (rpa_monotonic_ns(), sum(count), ProcessorTime())
        let switches = ProcessorTime.switches
        try body()
        let (busy, after, ended) = (machine.busyMicroseconds, sum(count), rpa_monotonic_ns())
        let cost = balancer.cost
        return Window(
            seconds: Double(ended - began) / 1e9, received: after - before, busyMicroseconds: busy,
            switches: ProcessorTime.switches - switches,
            balancerMicroseconds: cost.microseconds - own.microseconds, balancerKibibytes: cost.residentKibibytes)
    }

    /// The count when it no longer grows.
    private func settled(_ count: (Ledger) -> UInt64) -> UInt64 {
        var last = sum(count)
        for _ in 0..<100 {
            usleep(100_000)
            let now = sum(count)
            if now == last { break }
            last = now
        }
        return last
    }

    private func outcome(_ window: Window, sent: UInt64, received: UInt64) -> LoadOutcome {
        var (seen, split) = (0, 0)
        let ledgers = collectors.ledgers
        for word in 0..<Ledger.sourceLimit / 64 {
            var (any, several): (UInt64, UInt64) = (0, 0)
            for ledger in ledgers {
                let bits = ledger.sources[word]
                several |= any & bits
                any |= bits
            }
            seen += any.nonzeroBitCount
            split += several.nonzeroBitCount
        }
        let latencies = ledgers.flatMap { Array($0.latencies) }.sorted()
        func percentile(_ share: Double) -> Double {
            latencies.isEmpty
                ? 0 : Double(latencies[min(latencies.count - 1, Int(Double(latencies.count) * share))]) / 1_000
        }
        let messages = ledgers.map { Double($0.messages) }
        let mean = messages.reduce(0, +) / Double(messages.count)
        let unevenness = mean == 0 ? 0 : messages.max()! / mean
        return LoadOutcome(
            sent: sent, received: received, windowSeconds: window.seconds, windowReceived: window.received,
            busyMicroseconds: window.busyMicroseconds, switches: window.switches, seen: seen, split: split,
            unevenness: unevenness,
            latencies: [percentile(0.5), percentile(0.99), percentile(0.999)],
            balancerMicroseconds: window.balancerMicroseconds, balancerKibibytes: window.balancerKibibytes)
    }
}
