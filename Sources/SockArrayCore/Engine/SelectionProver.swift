import PoolModel

/// Finds out whether the program can select the sockets of collectors: by probes, which the program answers
/// and drops, or by runs that it has delivered. A collector counts as active only if this is known in each
/// group.
final class SelectionProver {
    private let pool: ActivePool
    /// SO_COOKIE of the sockets that the program has selected.
    private var selected: Set<UInt64> = []
    /// SO_COOKIE of sockets whose vacant slot was filled without proof.
    private var filledOnTrust: Set<UInt64> = []
    /// The runs that a socket's slot had received when the socket was first looked at, by SO_COOKIE.
    private var runsBefore: [UInt64: UInt64] = [:]
    /// Numbers of groups in which probes time out (a firewall drops them): only audits ask there, so that
    /// registrations don't wait.
    private var silent: Set<Int> = []
    /// A slot that is asked for again, group by group, although its socket is proven.
    private var turn = 0

    /// So many probes ask for sockets that aren't proven, in one audit of a group.
    private static let askedAtOnce = 64

    init(_ pool: ActivePool) { self.pool = pool }

    private var deployment: Deployment { pool.deployment }

    // MARK: - Before a registration

    /// Checks that the kernel accepts a socket that is about to be registered.
    ///
    /// - Throws: what the kernel refuses before it is a question of selection: see `SocketArray.place`.
    func tryPlacing(_ offered: borrowing OfferedSocket, in group: PoolGroup) throws(KernelError) {
        // What a killed agent left there.
        try group.sockets.clear(.proof)
        try group.sockets.place(offered.descriptor, at: .proof)
        try group.sockets.clear(.proof)
    }

    /// Asks the program for a socket that is about to be registered. The program isn't attached for it, because the
    /// socket may still be refused: in a group without the program, running collectors keep their traffic.
    ///
    /// - Parameter members: sockets of the port.
    /// - Returns: the errno of the selection, 0: selected; nil: no answer, because no probe can be sent, or the
    ///   program isn't attached.
    func ask(
        for offered: borrowing OfferedSocket, in group: PoolGroup, among members: [BoundSocket]
    ) throws(KernelError) -> Int32? {
        guard try hasProgram(group, ofUser: offered.offer.socket.user, members) else { return nil }
        try group.sockets.place(offered.descriptor, at: .proof)
        defer { try? group.sockets.clear(.proof) }
        return note(try ask(for: .proof, in: group, among: members), of: offered.offer.socket.cookie)
    }

    /// The same for a socket that has its entry already. One that is proven isn't asked for: audits do that.
    func ask(for cookie: UInt64, at entry: SocketEntry, in group: PoolGroup, among members: [BoundSocket])
        throws(KernelError)
        -> Int32?
    {
        if selected.contains(cookie) { return 0 }
        return note(try ask(for: entry, in: group, among: members), of: cookie)
    }

    /// Whether a vacant slot may be filled with sockets for which no probe is answered. It may once: later, runs have
    /// shown that the program can't select them.
    ///
    /// - Returns: false: it was, and became vacant again.
    func mayFill(vacant cookies: Set<UInt64>) -> Bool {
        guard filledOnTrust.isDisjoint(with: cookies) else { return false }
        filledOnTrust.formUnion(cookies)
        return true
    }

    private func note(_ answer: Int32?, of cookie: UInt64) -> Int32? {
        if answer == 0 { selected.insert(cookie) }
        return answer
    }

    /// The user's sockets include one through which the agent has attached the program: the kernel keeps the
    /// sockets of each user in a group of their own.
    ///
    /// - Parameter besides: a slot that doesn't count.
    func hasProgram(
        _ group: PoolGroup, ofUser user: UInt32, _ members: [BoundSocket], besides: Slot? = nil
    ) throws(KernelError) -> Bool {
        let theirs = Set(members.filter { $0.user == user && group.group.hasMember($0) }.map(\.cookie))
        if let placeholder = group.placeholder, theirs.contains(placeholder.cookie) { return true }
        return try !deployment.registeredCookies(in: group, besides: besides).isDisjoint(with: theirs)
    }

    private func ask(
        for entry: SocketEntry, in group: PoolGroup, among members: [BoundSocket]
    ) throws(KernelError) -> Int32? {
        if silent.contains(group.number) { return nil }
        let (errno, isSent) = try group.ask(for: entry, among: members, pool.maps.settings, deployment.table.hash)
        if isSent, errno == nil { silent.insert(group.number) }
        return errno
    }

    // MARK: - After it

    /// Entries that an audit of the group should ask for: those that aren't proven, and one of the others in turn. At
    /// least one.
    func entriesToAsk(in group: PoolGroup, _ entries: [(entry: SocketEntry, cookie: UInt64)]) -> [SocketEntry] {
        let unproven = entries.filter { !isProven($0.entry.slot) && !selected.contains($0.cookie) }.map(\.entry)
            .prefix(Self.askedAtOnce)
        guard !entries.isEmpty else { return [.proof] }
        turn &+= 1
        let inTurn = entries[turn % entries.count].entry
        return unproven.contains(inTurn) ? Array(unproven) : [inTurn] + unproven
    }

    /// Takes the answers of an audit, and the runs that slots without an answer have received.
    ///
    /// - Returns: entries whose socket the program can't select, with the errno.
    func note(
        _ answers: [ProbeAnswer], in group: PoolGroup, _ entries: [(entry: SocketEntry, cookie: UInt64)]
    ) throws(KernelError) -> [SocketEntry: Int32] {
        if !answers.isEmpty { silent.remove(group.number) }
        var refused: [SocketEntry: Int32] = [:]
        let answers = Dictionary(answers.map { ($0.entry, $0.errno) }) { $1 }
        for (entry, cookie) in entries {
            let slot = entry.slot
            switch answers[entry] {
            case 0?: selected.insert(cookie)
            // The socket may have been closed since it was listed.
            case let errno? where try group.sockets.cookie(at: entry) == cookie:
                refused[entry] = errno
                try withdraw(cookie, at: slot)
            case _?: break
            case nil where isProven(slot) || selected.contains(cookie): break
            case nil:
                let runs = try group.rawTraffic(of: slot).runs
                if runs > runsBefore[cookie, default: runs] { selected.insert(cookie) }
                runsBefore[cookie] = runsBefore[cookie] ?? runs
            }
        }
        return refused
    }

    /// The program can no longer select the slot's socket, or no longer runs for it.
    func withdraw(_ cookie: UInt64, at slot: Slot) throws(KernelError) {
        selected.remove(cookie)
        try setProven(false, slot)
    }

    /// The slot's collector is proven if each of its sockets is.
    func settle(_ slot: Slot) throws(KernelError) {
        let sockets = try deployment.sockets(of: slot)
        guard !sockets.isEmpty, sockets.allSatisfy({ selected.contains($0.cookie) }) else { return }
        try setProven(true, slot)
    }

    /// Forgets sockets that are no longer registered.
    func forget(except cookies: Set<UInt64>) {
        selected.formIntersection(cookies)
        filledOnTrust.formIntersection(cookies)
        runsBefore = runsBefore.filter { cookies.contains($0.key) && !selected.contains($0.key) }
    }

    private func isProven(_ slot: Slot) -> Bool {
        let number = pool.maps.slots[slot].registrationNumber
        return number != 0 && pool.maps.tenants.tenant(of: slot)?.provenRegistration == number
    }

    private func setProven(_ isProven: Bool, _ slot: Slot) throws(KernelError) {
        guard var tenant = pool.maps.tenants.tenant(of: slot) else { return }
        let registration = isProven ? pool.maps.slots[slot].registrationNumber : 0
        guard tenant.provenRegistration != registration else { return }
        tenant.provenRegistration = registration
        try pool.maps.tenants.set(tenant, at: slot)
        pool.noteChange()
    }
}
