import CBPFShim
import Glibc
import PoolModel

/// Sends an empty datagram or a SYN to a group, from an address and port that its program
/// knows (`probe` of the settings). The program counts the probe and drops it, which nothing
/// else does. The kernel has no call that shows a group's program.
struct ProgramProbe {
    private let group: PoolGroup
    private let settings: PoolSettings
    private let hash: ExporterHash
    /// Destination, and also the source.
    private let target: IPAddress
    /// 0 until the first probe; then constant, so that a late probe counts, too.
    private var port: UInt16 = 0
    private let countBefore: UInt64
    private var seen: UInt64 = 0
    /// Number of probes that were not answered within `timeout`.
    private(set) var unanswered = 0
    /// Time to wait for an answer. On loopback, the answer comes before the call returns
    /// unless the machine is busy.
    static let timeout = Duration.milliseconds(8)

    init(at target: IPAddress, of group: PoolGroup, _ settings: PoolSettings, _ hash: ExporterHash) throws(KernelError)
    {
        (self.group, self.settings, self.hash, self.target) = (group, settings, hash, target)
        countBefore = try group.losses().probes
    }

    /// Sends one probe. The settings' probe stays set.
    ///
    /// - Returns: the number of probes, of all that were sent, that the program has counted.
    /// - Throws: EADDRNOTAVAIL, ENETUNREACH, EPERM (a firewall): nothing was sent.
    mutating func send() throws(KernelError) -> UInt64 {
        let transport = group.group.transport
        let number = Int32(transport == .udp ? IPPROTO_UDP : IPPROTO_TCP)
        var source = target.endpoint(port: port)
        let prober = Descriptor(
            owning: try kernel("bind a probe of group \(group.group.name)", rpa_prober(number, &source)))
        port = source.port
        try checkStaysHere()
        settings.setProbe(hash(target) &+ UInt64(port))
        try kernel(
            "probe group \(group.group.name)",
            rpa_send_probe(prober.number, number, target.endpoint(port: group.group.port)))
        let deadline = ContinuousClock.now + Self.timeout
        var wait = pollfd(fd: prober.number, events: transport == .udp ? 0 : Int16(POLLOUT), revents: 0)
        var isAnswered = false
        while !isAnswered, ContinuousClock.now < deadline {
            if try isSeenAgain() { return seen }
            isAnswered = poll(&wait, 1, 2) > 0
        }
        // A refused or accepted connection is an answer.
        if try !isSeenAgain(), !isAnswered { unanswered += 1 }
        return seen
    }

    /// Checks the route: neither the probe nor the kernel's answer may leave the host, even
    /// where addresses of other hosts can be bound (ip_nonlocal_bind).
    private func checkStaysHere() throws(KernelError) {
        let act = "find the way of a probe of group \(group.group.name)"
        let isLocal = try kernel(act, rpa_is_local(target.endpoint(port: 0)))
        if isLocal == 0 { throw KernelError(operation: act, errno: EADDRNOTAVAIL) }
    }

    private mutating func isSeenAgain() throws(KernelError) -> Bool {
        let now = try group.losses().probes - countBefore
        defer { seen = now }
        return now > seen
    }
}

extension PoolGroup {
    /// Checks whether our program is attached, and attaches it if it isn't.
    ///
    /// - Parameters:
    ///   - sockets: sockets of the port: no probe is sent where other sockets are bound.
    ///   - unanswered: number of probes that timed out.
    ///   - attachAgain: false: no member could be reached.
    func probe(
        among sockets: [BoundSocket], _ settings: PoolSettings, _ hash: ExporterHash, unanswered: inout Int,
        attachAgain: () -> Bool
    ) throws(KernelError) -> ProbeResult {
        defer { settings.setProbe(0) }
        var probes: [ProgramProbe] = []
        var refusal: Int32?
        for target in group.probeTargets(among: sockets) {
            var probe = try ProgramProbe(at: target, of: self, settings, hash)
            do {
                if try probe.send() > 0 { return .attached }
                unanswered += probe.unanswered
                probes.append(probe)
            } catch {
                refusal = error.errno
            }
        }
        if probes.isEmpty { return .unsendable(errno: refusal) }
        guard attachAgain() else { return .unreachable }
        for var probe in probes {
            switch try? probe.send() {
            case nil, 0: unanswered += 1
            case 1: return .replaced
            // The first answer was late: the program is attached.
            default: return .attached
            }
        }
        return .unseen
    }
}
