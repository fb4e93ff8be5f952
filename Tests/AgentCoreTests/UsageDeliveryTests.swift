import Glibc
import PoolModel
import TelemetryLab
import Testing
import UsageExport

@testable import AgentCore

/// One batch on its way to a command, by a clock of the test's.
@Suite(.serialized) struct UsageDeliveryTests {
    private static let folder = "/tmp/reuseport-agent-delivery-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    private let start = ContinuousClock.now

    /// A queue of one event.
    private static func store() throws -> UsageStore {
        let reading = UsageReading(incarnation: 1, counters: [])
        let ledger = UsageLedger(identity: "x", pool: "edge", from: reading, at: UnixTime(milliseconds: 1))
        let store = UsageStore(UsageFolder(path: folder), limit: 64 << 10, UsageQueue([], ledger: ledger))
        let event = UsageEvent(
            .collector("c1", group: "ipfix"), pool: "edge", from: UnixTime(milliseconds: 1),
            to: UnixTime(milliseconds: 2), value: 1, idempotencyKey: "")
        var error: KernelError?
        store.store([event], ledger) { error = $0 }
        waitUntil(.seconds(20)) {
            store.proceed()
            return store.write == nil
        }
        #expect(error == nil && store.queue.pendingEvents == 1)
        return store
    }

    private static func removeFolder() {
        for name in FileText.names(in: folder) { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    private static func proceed(_ delivery: UsageDelivery, at now: ContinuousClock.Instant, begins: Bool = true) {
        ForkGate.pass { delivery.proceed(now: now, begins: begins) }
    }

    private static func end(_ delivery: UsageDelivery, at now: ContinuousClock.Instant, begins: Bool = true) {
        waitUntil(.seconds(20), every: .milliseconds(2)) {
            proceed(delivery, at: now, begins: begins)
            return !delivery.isBusy
        }
    }

    @Test func `a reload during a failing attempt starts another at once; the next one waits again`() throws {
        defer { Self.removeFolder() }
        let delivery = UsageDelivery(try Self.store(), to: .command(["/bin/sh", "-c", "exit 3"]))
        Self.proceed(delivery, at: start)
        #expect(delivery.isBusy)
        delivery.retryNow()
        Self.end(delivery, at: start)
        #expect(delivery.error == "the command ended with 3" && delivery.nextAttempt == start)
        Self.end(delivery, at: start)
        #expect(delivery.nextAttempt! >= start + .milliseconds(500))
    }

    /// The queue's only batch.
    private static func batch(of store: UsageStore) throws -> String {
        store.folder.file(try #require(store.queue.head).number)
    }

    @Test func `a batch that is unreadable for a while is retried and delivered first`() throws {
        defer { Self.removeFolder() }
        let store = try Self.store()
        let file = try Self.batch(of: store)
        let delivery = UsageDelivery(store, to: .command(["/bin/true"]))
        try #require(rename(file, file + ".away") == 0 && symlink(file, file) == 0)
        Self.proceed(delivery, at: start)
        Self.end(delivery, at: start)
        #expect(delivery.error == "\(file) can't be read (ELOOP)" && store.queue.head?.events == 1)
        try #require(rename(file + ".away", file) == 0)
        let next = try #require(delivery.nextAttempt)
        #expect(next >= start + .milliseconds(500))
        Self.proceed(delivery, at: next)
        // Read, taken by the command, and out of the queue.
        waitUntil(.seconds(20), every: .milliseconds(2)) {
            store.proceed()
            Self.proceed(delivery, at: next)
            return delivery.lastDelivery != nil
        }
        #expect(delivery.error == nil && store.queue.head == nil && store.queue.pendingEvents == 0)
    }

    @Test(arguments: [nil, "", "{}\n"])
    func `a batch that is gone or has no events is reported as lost`(_ content: String?) throws {
        defer { Self.removeFolder() }
        let store = try Self.store()
        let file = try Self.batch(of: store)
        unlink(file)
        if let content { try FileText.write(content, to: file) }
        let delivery = UsageDelivery(store, to: .command(["/bin/true"]))
        Self.proceed(delivery, at: start)
        Self.end(delivery, at: start)
        #expect(delivery.error?.hasSuffix("its 1 events are not delivered") == true && store.queue.head == nil)
    }

    @Test func `usage that is removed while a batch is read starts no command, and the batch stays`() throws {
        defer { Self.removeFolder() }
        let store = try Self.store()
        var verdicts = 0
        let delivery = UsageDelivery(store, to: .command(["/no/such"]))
        delivery.report = { _ in verdicts += 1 }
        Self.proceed(delivery, at: start)
        #expect(delivery.isBusy)
        Self.end(delivery, at: start, begins: false)
        #expect(verdicts == 0 && store.queue.head?.events == 1)
        // Configured again.
        Self.proceed(delivery, at: start)
        Self.end(delivery, at: start)
        #expect(verdicts == 1 && store.queue.head?.events == 1)
    }
}
