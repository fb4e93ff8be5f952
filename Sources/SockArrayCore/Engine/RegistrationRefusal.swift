import PoolModel

/// Why a registration was refused, before it is put into a sentence.
enum RegistrationRefusal: Error {
    case call(KernelError)
    /// The kernel did not take a socket that looked fit.
    case socket(KernelError, RegistrationPlan.Offer)
    case plan(RegistrationPlan.Refusal)
    /// The program can't select it: errno of bpf_sk_select_reuseport().
    case unselectable(errno: Int32, RegistrationPlan.Offer)

    static func wrap<Result>(_ body: () throws(KernelError) -> Result) throws(RegistrationRefusal) -> Result {
        do { return try body() } catch { throw .call(error) }
    }

    /// - Parameter holders: of sockets that the kernel refuses with EBUSY.
    func refusal(
        act: String, _ configuration: PoolConfiguration, _ holders: inout SocketHolders
    ) -> RegistrationPlan.Refusal {
        let pool = configuration.pool
        switch self {
        case .plan(let refusal): return refusal
        case .unselectable(let errno, let offer):
            return .refused(
                Failure(
                    .unfitSocket, act: act,
                    cause:
                        "the program can't select \(offer.label) (\(offer.socket.endpoint)): the kernel keeps it in another "
                        + "reuseport group than the one that receives the port's traffic", errno: errno,
                    remedy: "start the collector again as the user of the pool's other collectors; to see the port's "
                        + "sockets: ss -\(offer.socket.kind == .udp ? "u" : "tl")anpe sport = :\(offer.socket.port)"))
        case .call(let error): return .refused(PoolError.call(error).failure(act: act, pool: pool))
        case .socket(let error, let offer):
            let name = "\(offer.label) (\(offer.socket.endpoint))"
            switch error.errno {
            case KernelError.busy:
                let holder = holders.holder(of: offer.socket.cookie, configuration)
                return .refused(holder.failure(name, errno: error.errno, act: act))
            case KernelError.invalid:
                return .refused(
                    Failure(
                        .unfitSocket, act: act, cause: "\(name) is no member of a reuseport group", errno: error.errno,
                        remedy: "set SO_REUSEPORT before bind, not after it, and listen before it is registered"))
            default: return .refused(PoolError.call(error).failure(act: act, pool: pool))
            }
        }
    }
}

/// Who has sockets that are in another sockarray. A search looks into all pins of the host, and whoever keeps a
/// collector registered asks each second.
struct SocketHolders {
    private var found: [UInt64: (holder: SocketHolder, end: ContinuousClock.Instant)] = [:]
    private static let life = Duration.seconds(60)

    /// - Parameter cookie: SO_COOKIE.
    mutating func holder(of cookie: UInt64, _ configuration: PoolConfiguration) -> SocketHolder {
        let now = ContinuousClock.now
        found = found.filter { now < $0.value.end }
        if let holder = found[cookie]?.holder { return holder }
        let holder = PinnedPools.holder(of: cookie, in: configuration.bpffs, except: configuration.pool)
        found[cookie] = (holder, now + Self.life)
        return holder
    }
}

extension Failure {
    /// Sockets that are registered already, and that the program could not select when traffic came.
    static func notSelected(act: String) -> Failure {
        Failure(
            .conflict, act: act,
            cause: "these sockets are registered already, the program could not select one of them when traffic came, "
                + "and the agent's probe gets no answer",
            remedy: "start the collector again; to see why: reuseport-agent check --live")
    }
}
