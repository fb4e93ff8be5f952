import CBPFShim
import Glibc
import PoolModel

/// Sends an empty datagram or a SYN to a group, from an address and port that its program
/// knows (`probe` of the settings). The program tries to select the socket of the entry that the
/// probe asks for, counts the probe with the kernel's answer, and drops it, which nothing
/// else does. The kernel has no call that shows a group's program, or which sockets it can select.
struct ProgramProbe {
    private let group: PoolGroup
    private let settings: PoolSettings
    private let hash: ExporterHash
    /// Destination, and also the source.
    private let target: IPAddress
    /// 0 until the first probe; then constant, so that a late probe counts, too.
    private var port: UInt16 = 0
    /// What each CPU had counted before the first probe, and when it was last read.
    private let countsBefore: ProbeCounts
    private var counts: ProbeCounts
    /// Number of probes that were not answered within `timeout`.
    private(set) var unanswered = 0
    /// The answer to the last probe that the program has counted.
    private(set) var answer: ProbeAnswer?
    /// Time to wait for an answer. On loopback, the answer comes before the call returns
    /// unless the machine is busy.
    static let timeout = Duration.milliseconds(8)

    init(at target: IPAddress, of group: PoolGroup, _ settings: PoolSettings, _ hash: ExporterHash) throws(KernelError)
    {
        (self.group, self.settings, self.hash, self.target) = (group, settings, hash, target)
        countsBefore = try group.probeCounts()
        counts = countsBefore
    }

    /// Number of probes, of all that were sent, that the program has counted.
    var seen: UInt64 { counts.total - countsBefore.total }

    /// Sends one probe. The settings' probe stays set.
    ///
    /// - Parameters:
    ///   - entry: whose socket the program tries to select.
    ///   - timeout: for the answer.
    /// - Returns: whether the program has counted a probe since.
    /// - Throws: EADDRNOTAVAIL, ENETUNREACH, EPERM (a firewall): nothing was sent.
    mutating func send(asking entry: SocketEntry, within timeout: Duration = Self.timeout) throws(KernelError) -> Bool {
        let transport = group.group.transport
        let number = Int32(transport == .udp ? IPPROTO_UDP : IPPROTO_TCP)
        var source = target.endpoint(port: port)
        let prober = Descriptor(
            owning: try kernel(
                "bind a probe of group \(group.group.name)", rpa_prober(number, &source, group.group.interface)))
        port = source.port
        try checkStaysHere()
        settings.setProbe(hash(target) &+ UInt64(port), asking: entry)
        try kernel(
            "probe group \(group.group.name)",
            rpa_send_probe(prober.number, number, target.endpoint(port: group.group.port)))
        let deadline = ContinuousClock.now + timeout
        var wait = pollfd(fd: prober.number, events: transport == .udp ? 0 : Int16(POLLOUT), revents: 0)
        var isAnswered = false
        while !isAnswered, ContinuousClock.now < deadline {
            if try isSeenAgain() { return true }
            isAnswered = poll(&wait, 1, 2) > 0
        }
        if try isSeenAgain() { return true }
        // A refused or accepted connection is an answer.
        if !isAnswered { unanswered += 1 }
        return false
    }

    /// No probe is under way any more. Only after an answer: otherwise the setting stays until the next probe, because
    /// the program must not take a late one for an exporter's datagram.
    func end() { settings.setProbe(0, asking: .proof) }

    /// Checks the route: neither the probe nor the kernel's answer may leave the host, even
    /// where addresses of other hosts can be bound (ip_nonlocal_bind).
    private func checkStaysHere() throws(KernelError) {
        let act = "find the way of a probe of group \(group.group.name)"
        let interface = group.group.interface.map { if_nametoindex($0) } ?? 0
        let isLocal = try kernel(act, rpa_is_local(target.endpoint(port: 0), interface))
        if isLocal == 0 { throw KernelError(operation: act, errno: EADDRNOTAVAIL) }
    }

    private mutating func isSeenAgain() throws(KernelError) -> Bool {
        let now = try group.probeCounts()
        guard let answer = now.answer(since: counts) else { return false }
        counts = now
        self.answer = answer
        return true
    }
}

/// The probes that a group's program has counted, and its last answer, on each CPU. No answer: a probe was
/// answered while the words were copied.
struct ProbeCounts {
    var cpus: [(count: UInt64, answer: ProbeAnswer?)]

    var total: UInt64 { cpus.reduce(0) { $0 + $1.count } }

    /// The answer to a probe that was counted in between; nil: none was.
    func answer(since before: ProbeCounts) -> ProbeAnswer? {
        zip(cpus, before.cpus).first { $0.count != $1.count }.flatMap(\.0.answer)
    }
}

/// The kernel's answer to the program's attempt to select the socket of an entry.
struct ProbeAnswer: Equatable {
    let entry: SocketEntry
    /// ENOENT: the entry has no socket, or the group that received the probe has no registered one. EBADFD,
    /// EAFNOSUPPORT, EPROTOTYPE: its socket is in another group than the one that received the probe. 0: it is
    /// selected.
    let errno: Int32

    /// - Parameters:
    ///   - word: `probe_result` of rpa_losses.
    ///   - count: `probes`.
    /// - Returns: nil: they were copied at different times.
    init?(word: UInt64, count: UInt64) {
        guard UInt32(truncatingIfNeeded: word >> 32) == UInt32(truncatingIfNeeded: count) else { return nil }
        entry = SocketEntry(index: UInt32(UInt16(truncatingIfNeeded: word >> 16)))
        errno = Int32(UInt16(truncatingIfNeeded: word))
    }
}

extension SocketEntry {
    /// Where a socket is proven before it is registered. No row names it.
    static let proof = SocketEntry(index: UInt32(RPA_PROOF_ENTRY))
}

extension PoolGroup {
    /// Checks whether our program is attached, and attaches it if it isn't.
    ///
    /// - Parameters:
    ///   - entries: for which the program is asked, in order, as long as it answers; at least one.
    ///   - sockets: sockets of the port: no probe is sent where other sockets are bound.
    ///   - unanswered: number of probes that timed out.
    ///   - attachAgain: false: no member could be reached.
    func probe(
        asking entries: [SocketEntry], among sockets: [BoundSocket], _ settings: PoolSettings, _ hash: ExporterHash,
        unanswered: inout Int, attachAgain: () -> Bool
    ) throws(KernelError) -> (result: ProbeResult, answers: [ProbeAnswer]) {
        var probes: [ProgramProbe] = []
        var refusal: Int32?
        for target in probeTargets(among: sockets) {
            var probe = try ProgramProbe(at: target, of: self, settings, hash)
            do {
                if try probe.send(asking: entries[0]) { return (.attached, answers(of: &probe, asking: entries)) }
                unanswered += probe.unanswered
                probes.append(probe)
            } catch {
                refusal = error.errno
            }
        }
        if probes.isEmpty { return (.unsendable(errno: refusal), []) }
        guard attachAgain() else { return (.unreachable, []) }
        for var probe in probes {
            guard (try? probe.send(asking: entries[0])) == true else {
                unanswered += 1
                continue
            }
            // Two answers: the first one was late, and the program is attached.
            return (probe.seen == 1 ? .replaced : .attached, answers(of: &probe, asking: entries))
        }
        return (.unseen, [])
    }

    /// Asks the program for the socket of one entry, once: if the program isn't attached, a collector reads the probe.
    ///
    /// - Parameter sockets: sockets of the port: no probe is sent where other sockets are bound.
    /// - Returns: the errno; nil: no answer in time, or no probe can be sent.
    func ask(
        for entry: SocketEntry, among sockets: [BoundSocket], _ settings: PoolSettings, _ hash: ExporterHash
    ) throws(KernelError) -> (errno: Int32?, isSent: Bool) {
        for target in probeTargets(among: sockets) {
            var probe = try ProgramProbe(at: target, of: self, settings, hash)
            guard let isSeen = try? probe.send(asking: entry, within: ProgramProbe.timeout * 3) else { continue }
            guard isSeen, let answer = probe.answer, answer.entry == entry else { return (nil, true) }
            probe.end()
            return (answer.errno, true)
        }
        return (nil, false)
    }

    private func probeTargets(among sockets: [BoundSocket]) -> [IPAddress] {
        group.probeTargets(among: sockets, own: group.interface.map(NetworkInterface.addresses) ?? [])
    }

    /// - Parameter probe: has an answer for the first entry.
    private func answers(of probe: inout ProgramProbe, asking entries: [SocketEntry]) -> [ProbeAnswer] {
        defer { probe.end() }
        var answers = [probe.answer].compactMap(\.self)
        for entry in entries.dropFirst() {
            guard (try? probe.send(asking: entry)) == true, let answer = probe.answer else { break }
            answers.append(answer)
        }
        return answers
    }
}
