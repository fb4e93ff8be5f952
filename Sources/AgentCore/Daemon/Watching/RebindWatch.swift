import Glibc
import Logging
import PoolModel
import SockArrayCore

/// Registers collectors again whose process lives on: it has bound its sockets anew (a reload by SIGHUP), or
/// the program can select its sockets again.
///
/// It doesn't matter how the collector was registered: the process that had its sockets is known. A process
/// with several collectors is left alone: which socket is for which collector is its own knowledge.
final class RebindWatch: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var seen: Int?
    private var owners: [String: ProcessIdentity] = [:]
    /// When the last of them lost a socket.
    private var start = ContinuousClock.Instant.distantPast
    private var next = ContinuousClock.Instant.distantPast
    /// The unregistered sockets when the processes were last looked at.
    private var strangers: Set<UInt64> = []
    private var nextLook = ContinuousClock.Instant.distantPast
    /// The last message about each collector.
    private var said: [String: String] = [:]
    private let act = "look for new sockets of collectors"
    /// Without new sockets in the groups, the processes are looked at so often.
    private static let lookPause = Duration.seconds(5)

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    let waits: [pollfd] = []

    var nextDeadline: ContinuousClock.Instant? {
        if seen != pool.revision { return .distantPast }
        return owners.isEmpty ? nil : next
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        do {
            if seen != pool.revision { try lookWhoIsAway(now: now) }
            guard !owners.isEmpty, next <= now else { return }
            next = now + PollBackoff.discovery.pause(after: now - start)
            let cookies = Set(try pool.kernel.strangers(act: act).map(\.cookie))
            guard nextLook <= now || !cookies.subtracting(strangers).isEmpty else { return }
            (strangers, nextLook) = (cookies, now + Self.lookPause)
            for (name, owner) in owners.sorted(by: { $0.key < $1.key }) { register(name, owner) }
        } catch {
            log.error("\(error)")
            next = now + Self.lookPause
        }
    }

    private func lookWhoIsAway(now: ContinuousClock.Instant) throws(Failure) {
        seen = pool.revision
        let away = try pool.kernel.livingOwnersOfAwayCollectors(act: act)
        if away.contains(where: { owners[$0.key] != $0.value }) {
            (start, next, nextLook, strangers) = (now, now, now + Self.lookPause, [])
        }
        owners = away
        said = said.filter { away[$0.key] != nil }
    }

    private func register(_ name: String, _ owner: ProcessIdentity) {
        guard let process = try? OtherProcess(pid: owner.pid), process.identity == owner else { return }
        do throws(RegistrationPlan.Refusal) {
            _ = try pool.register(name, process, owner: owner, isRecognised: true)
            pool.losses.report(of: name)
            log.of(name, key: "bound again").notice(
                "collector \(name) has its sockets again and is registered: process \(owner.pid)")
        } catch .refused(let failure) {
            guard said.updateValue("\(failure)", forKey: name) != "\(failure)" else { return }
            // An agent that may not borrow relies on `exec`, or on a command.
            log.of(name, key: failure.key).log(level: failure.kind == .privilege ? .info : .warning, "\(failure)")
        } catch {
            // It hasn't bound all of its sockets.
        }
    }
}
