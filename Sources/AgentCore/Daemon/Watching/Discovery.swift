import Glibc
import Logging
import PoolModel
import SockArrayCore

/// Registers restarted collectors that the configuration can recognize, without a `register` command.
///
/// The kernel reports sockets that close, but not sockets that open. While such a collector is down, and
/// only then, the groups' sockets are listed every 25 ms, and less often later (`PollBackoff`). If a
/// socket is in no slot, the collector is looked for among the machine's processes.
final class Discovery: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var seen: Int?
    /// Collectors that are down and can be recognized.
    private var sought: [String: Recognition] = [:]
    /// A sought collector's sockets are kept by another process, and are in no listing of unregistered ones.
    private var seeksReaders = false
    private var next = ContinuousClock.Instant.distantPast
    /// When the last of them went down.
    private var start = ContinuousClock.Instant.distantPast
    /// The unregistered sockets at the last search through the processes.
    private var strangers: Set<UInt64> = []
    private var nextSearch = ContinuousClock.Instant.distantPast
    /// Searches for these sockets.
    private var searches = 0
    /// The last message about each collector.
    private var said: [String: String] = [:]
    private let act = "look for collectors"
    /// The pause between two searches for the same sockets: a process may write its pid file, or change its
    /// title, after it binds.
    private static let searchPause = Duration.milliseconds(500)

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    let waits: [pollfd] = []

    var nextDeadline: ContinuousClock.Instant? {
        if seen != pool.revision { return .distantPast }
        return sought.isEmpty ? nil : next
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        do {
            if seen != pool.revision { try lookWhoIsAway(now: now) }
            guard !sought.isEmpty, next <= now else { return }
            next = now + PollBackoff.discovery.pause(after: now - start)
            let sockets = try pool.kernel.strangers(act: act)
            guard !sockets.isEmpty || seeksReaders else { return }
            let cookies = Set(sockets.map(\.cookie))
            guard cookies != strangers || nextSearch <= now else { return }
            searches = cookies == strangers ? searches + 1 : 0
            (strangers, nextSearch) = (cookies, now + Self.searchPause)
            let users = Set(sockets.map(\.user))
            try search(users: users)
            // A collector that changed its user isn't among these users' processes.
            if mayHaveChangedUser, Self.examinesAllUsers(searches) { try search(users: users, ofAllUsers: true) }
        } catch {
            log.error("\(error)")
            next = now + Self.searchPause
        }
    }

    private func lookWhoIsAway(now: ContinuousClock.Instant) throws(Failure) {
        seen = pool.revision
        let queueing = try pool.kernel.queueingCollectors(act: act)
        let away = try pool.kernel.awayCollectors(act: act).union(queueing)
        var sought: [String: Recognition] = [:]
        for collector in pool.kernel.configuration.collectors where away.contains(collector.name) {
            sought[collector.name] = collector.recognition
        }
        if sought != self.sought { strangers = [] }
        if sought.contains(where: { self.sought[$0.key] != $0.value }) { (start, next) = (now, now) }
        self.sought = sought
        seeksReaders = !queueing.isDisjoint(with: sought.keys)
    }

    /// A collector that is recognized by its command alone is still away.
    private var mayHaveChangedUser: Bool {
        let away = (try? pool.kernel.awayCollectors(act: act)) ?? []
        return sought.contains { name, recognition in
            if case .command(_, user: nil) = recognition { away.contains(name) } else { false }
        }
    }

    /// Every command line of the machine is read then: in the first 5 s after a socket appears by each search,
    /// later by each tenth.
    ///
    /// - Parameter search: number of the search for the same sockets, from 0.
    static func examinesAllUsers(_ search: Int) -> Bool { search < 10 || search % 10 == 0 }

    private func search(users: Set<UInt32>, ofAllUsers: Bool = false) throws(Failure) {
        let found: RecognizedProcesses
        do {
            var table = try ProcessTable()
            found = table.processes(for: sought, socketUsers: users, ofAllUsers: ofAllUsers)
        } catch {
            throw Failure(
                .privilege, act: act, cause: "\(error.operation) failed", errno: error.errno,
                remedy: "mount /proc for the agent, without hidepid")
        }
        for (pid, names) in found.ambiguous {
            let list = names.sorted().joined(separator: ", ")
            say(
                "process \(pid) is recognized as \(list): none of them is registered; make their keys in the "
                    + "configuration differ",
                log.of(nil, key: "recognized \(list)"), of: list)
        }
        for (name, pids) in found.pids.sorted(by: { $0.key < $1.key }) { register(name, among: pids) }
    }

    /// Registers the first process that has a socket for every group.
    private func register(_ name: String, among pids: [Int32]) {
        var refusal: RegistrationPlan.Refusal?
        for pid in pids {
            guard let process = try? OtherProcess(pid: pid), let owner = process.identity, !isDismissed(name, owner)
            else { continue }
            do throws(RegistrationPlan.Refusal) {
                let change = try pool.register(name, process, owner: owner, isRecognised: true)
                said[name] = nil
                pool.losses.report(of: name)
                log.of(name, key: "recognized \(change.slot)").notice(
                    "collector \(name) is recognized and registered: process \(pid)")
                return
            } catch {
                refusal = refusal ?? error
            }
        }
        // An incomplete one isn't logged: it is still starting, or is a worker process.
        if case .refused(let failure) = refusal { say("\(failure)", log.of(name, key: failure.key), of: name) }
    }

    private func isDismissed(_ name: String, _ owner: ProcessIdentity) -> Bool {
        (try? pool.kernel.isDismissed(name, owner, act: act)) ?? false
    }

    /// Logs a text unless it is the last one about the same collectors.
    private func say(_ text: String, _ log: Logger, of names: String) {
        guard said.updateValue(text, forKey: names) != text else { return }
        log.warning("\(text)")
    }
}
