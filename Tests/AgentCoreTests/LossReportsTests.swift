import Logging
import Synchronization
import Testing

@testable import AgentCore

@Suite struct LossReportsTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])

        func add(_ line: String) { lines.withLock { $0.append(line) } }

        func take() -> [String] {
            lines.withLock { lines in
                defer { lines = [] }
                return lines
            }
        }
    }

    /// Keeps each record as `level: message [key]`.
    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.add("\(event.level): \(event.message) [\(AgentLogHandler.fields(of: metadata).key ?? "")]")
        }
    }

    private let lines = Lines()
    private let losses: LossReports
    private let start = ContinuousClock.now

    init() { losses = LossReports(log: Logger(label: "test") { [lines] _ in Handler(lines: lines) }) }

    private func add(_ name: String, now: ContinuousClock.Instant, hasEnded: @escaping () -> Bool = { false }) {
        losses.add(
            .init(
                collector: name, what: "has lost tcp 0.0.0.0:1790", fate: "wait", process: "process 7",
                hasEnded: hasEnded),
            now: now)
    }

    @Test func `a process that ends 20 ms after its first socket has ended; if it lives for 100 ms it lost the socket`()
    {
        var isOver = false
        add("c1", now: start) { isOver }
        add("c2", now: start)
        losses.report(now: start + .milliseconds(20))
        #expect(lines.take() == [] && losses.pendingCollectors == ["c1", "c2"])
        isOver = true
        #expect(losses.report(of: "c1") && !losses.report(of: "c1"))
        #expect(lines.take() == ["warning: collector c1 has ended (process 7): wait [c1 has ended: wait]"])
        #expect(losses.deadline == start + .milliseconds(100))
        losses.report(now: start + .milliseconds(100) - .nanoseconds(1))
        #expect(lines.take() == [])
        losses.report(now: start + .milliseconds(100))
        #expect(
            lines.take() == [
                "warning: collector c2 has lost tcp 0.0.0.0:1790: wait [c2 has lost tcp 0.0.0.0:1790: wait]"
            ])
        #expect(losses.takeCauses() == ["c1": "has ended (process 7)", "c2": "has lost tcp 0.0.0.0:1790"])
        losses.report(now: start + .seconds(1 << 32))
        #expect(losses.deadline == nil && lines.take() == [] && losses.takeCauses() == [:])
    }

    @Test func `a registration reports its predecessor's loss at once, and no other collector's`() {
        add("c1", now: start)
        add("c2", now: start)
        losses.report(of: "c1")
        #expect(losses.takeCauses().keys.sorted() == ["c1"] && losses.pendingCollectors == ["c2"])
    }
}
