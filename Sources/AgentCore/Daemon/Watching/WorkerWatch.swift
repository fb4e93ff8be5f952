import Glibc
import Logging
import PoolModel
import SockArrayCore

/// Keeps the sockets of collectors with several in a group registered: a socket that a registered process opens
/// later joins the others, and when one is closed, the others close the gap.
final class WorkerWatch: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var seen: Int?
    private var next = ContinuousClock.Instant.distantPast
    /// The unregistered sockets when the processes were last looked at.
    private var strangers: Set<UInt64> = []
    /// When all of them are looked at again, because the cause of a refusal may be gone.
    private var nextRetry = ContinuousClock.Instant.distantPast
    /// The configuration's `workers` at the last look.
    private var choices: [String: WorkerChoice] = [:]
    /// Collectors whose `workers` a reload has changed, and whose sockets aren't rearranged yet.
    private var changed: Set<String> = []
    /// The last message about each collector.
    private var said: [String: String] = [:]
    private let act = "look for further sockets of collectors"
    private static let pause = Duration.seconds(4)
    private static let retryPause = Duration.seconds(60)

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    let waits: [pollfd] = []

    var nextDeadline: ContinuousClock.Instant? { seen != pool.revision ? .distantPast : next }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        guard seen != pool.revision || next <= now else { return }
        do {
            noteChoices()
            var names = seen != pool.revision ? try pool.kernel.collectorsWithGaps(act: act).union(changed) : []
            seen = pool.revision
            var isNew = false
            if next <= now {
                next = now + Self.pause
                if nextRetry <= now {
                    (strangers, nextRetry) = ([], now + Self.retryPause)
                    names.formUnion(changed)
                }
                let cookies = Set(try pool.kernel.strangers(act: act).map(\.cookie))
                isNew = !cookies.subtracting(strangers).isEmpty
                strangers = cookies
            }
            guard isNew || !names.isEmpty else { return }
            let owners = try pool.kernel.livingOwnersOfUsableCollectors(act: act)
            if isNew { names.formUnion(owners.keys) }
            said = said.filter { owners[$0.key] != nil }
            for (name, owner) in owners.sorted(by: { $0.key < $1.key }) where names.contains(name) {
                register(name, owner)
            }
        } catch {
            log.error("\(error)")
            (seen, next) = (pool.revision, now + Self.pause)
        }
    }

    private func noteChoices() {
        let before = choices
        choices = Dictionary(
            uniqueKeysWithValues: pool.kernel.configuration.collectors.map { ($0.name, $0.workers) })
        changed.formUnion(choices.filter { name, choice in before[name].map { $0 != choice } ?? false }.keys)
        changed.formIntersection(choices.keys)
    }

    private func register(_ name: String, _ owner: ProcessIdentity) {
        guard let process = try? OtherProcess(pid: owner.pid), process.identity == owner else { return }
        do throws(RegistrationPlan.Refusal) {
            let change = try pool.register(name, process, owner: owner, isRecognised: true)
            changed.remove(name)
            guard change.changed else { return }
            log.of(name, key: "further sockets").notice(
                "collector \(name) has further sockets, and they are registered")
        } catch {
            let failure = error.failure
            guard said.updateValue("\(failure)", forKey: name) != "\(failure)" else { return }
            // An agent that may not borrow relies on `exec`, or on a command.
            log.of(name, key: failure.key).log(level: failure.kind == .privilege ? .info : .warning, "\(failure)")
        }
    }
}
