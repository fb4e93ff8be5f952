/// What would keep the agent from working here, and what to do about it.
public struct CheckList: Sendable {
    public struct Item: Equatable, Sendable, Codable {
        public var check: String
        public var ok: Bool
        public var detail: String
        /// What to do; nil where nothing is to be done.
        public var remedy: String?

        public init(check: String, ok: Bool, detail: String, remedy: String? = nil) {
            self.check = check
            self.ok = ok
            self.detail = detail
            self.remedy = remedy
        }

        /// Something that nothing fails without isn't there.
        public var isMissingOption: Bool { ok && remedy != nil }
    }

    /// Where the agent is to listen.
    public struct Place: Sendable {
        /// Its key in the configuration and its path or address.
        public var name: String
        /// Why nobody can listen there.
        public var problem: Failure?
        /// The pool's own agent runs, and listens there.
        public var isTheAgents = false
        /// Of one that isn't a Unix socket.
        public var endpoint: PoolConfiguration.Endpoint?

        public init(name: String, problem: Failure? = nil) {
            self.name = name
            self.problem = problem
        }
    }

    public let items: [Item]
    /// 0, 6 for the machine, else that of the configuration or its sockets.
    public let exitCode: Int32

    /// - Parameters:
    ///   - configuration: why the file can't be used, if it can't; nil where no file was given.
    public init(
        _ host: HostFacts, configuration: Result<PoolConfiguration, Failure>?,
        sockets: [Place] = []
    ) {
        var items = [
            Self.kernel(host),
            Self.feature("program type SK_REUSEPORT", host.hasProgramType, host),
            Self.feature("map type REUSEPORT_SOCKARRAY", host.hasSocketArray, host),
            Self.item(
                "loading BPF programs", host.mayUseBPF, "CAP_BPF is there", "CAP_BPF is missing",
                "run it as root, or give the agent CAP_BPF (AmbientCapabilities= of its unit)"),
            Self.borrowing(host),
            Self.migration(host),
            Self.placeholders(host),
            Self.pins(host),
        ]
        if case .success(let configuration) = configuration { items += Self.extras(configuration, host) }
        let isMachineFit = items.allSatisfy(\.ok)
        var failures = sockets.compactMap(\.problem)
        switch configuration {
        case .success(let configuration):
            items.append(Item(check: "configuration", ok: true, detail: "pool \(configuration.pool)"))
        case .failure(let failure):
            failures.append(failure)
            items.append(Self.item("configuration", failure))
        case nil: break
        }
        items += sockets.map(Self.place)
        self.items = items
        let kinds = (isMachineFit ? [] : [.privilege]) + failures.map(\.kind)
        let kind = Self.exitOrder.first { kinds.contains($0) } ?? kinds.first
        exitCode = kind?.rawValue ?? 0
    }

    private static let exitOrder = [Failure.Kind.privilege, .usage]

    /// Of two lists of checks that are one to the user: by the same order.
    ///
    /// - Parameter other: the second one's exit code.
    public static func exitCode(_ own: Int32, and other: Int32) -> Int32 {
        let codes = [own, other]
        return exitOrder.map(\.rawValue).first { codes.contains($0) } ?? codes.first { $0 != 0 } ?? 0
    }

    private static func place(_ place: Place) -> Item {
        if let problem = place.problem { return item(place.name, problem) }
        let detail = place.isTheAgents ? "this pool's agent runs, and listens there" : "it can be made"
        guard let endpoint = place.endpoint, !endpoint.isLoopback else {
            return Item(check: place.name, ok: true, detail: detail)
        }
        return Item(
            check: place.name, ok: true,
            detail: "\(detail); it isn't a loopback address: whoever reaches it reads the status, in the clear",
            remedy: "let a firewall pass only who is to read it, or use 127.0.0.1:\(endpoint.port)")
    }

    private static func item(_ check: String, _ failure: Failure) -> Item {
        Item(check: check, ok: false, detail: failure.problem, remedy: failure.remedy)
    }

    private static func item(_ check: String, _ ok: Bool, _ yes: String, _ no: String, _ remedy: String) -> Item {
        Item(check: check, ok: ok, detail: ok ? yes : no, remedy: ok ? nil : remedy)
    }

    private static func kernel(_ host: HostFacts) -> Item {
        let isNewEnough = host.kernelVersion.map { $0.major > 5 || ($0.major == 5 && $0.minor >= 8) } ?? true
        return item(
            "kernel", isNewEnough, "Linux \(host.kernelRelease)", "Linux \(host.kernelRelease) is older than 5.8",
            "boot a kernel from 5.8 on")
    }

    private static func feature(_ name: String, _ isThere: Bool?, _ host: HostFacts) -> Item {
        guard let isThere else {
            return Item(
                check: name, ok: false, detail: "it can't be tried without CAP_BPF",
                remedy: "give CAP_BPF, and check again")
        }
        return item(
            name, isThere, "the kernel has it", "Linux \(host.kernelRelease) lacks it",
            "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_INET")
    }

    /// Only `register --pid` needs it, so its lack is told and nothing fails.
    private static func borrowing(_ host: HostFacts) -> Item {
        Item(
            check: "register --pid of other users' processes", ok: true,
            detail: host.mayBorrowSockets ? "CAP_SYS_PTRACE is there" : "CAP_SYS_PTRACE is missing: not possible here",
            remedy: host.mayBorrowSockets ? nil : "give the agent CAP_SYS_PTRACE, or let collectors use register --fd")
    }

    /// Without it the agent works, and `replace` may lose what is not accepted yet.
    private static func migration(_ host: HostFacts) -> Item {
        let isThere = host.canMigrate ?? true
        return Item(
            check: "connections of a closing listener", ok: true,
            detail: isThere
                ? "they go on to the collector's new one" : "the kernel can't send them on: they are reset",
            remedy: isThere ? nil : "boot a kernel from 5.14 on, if BMP connections are not to be reset by a restart")
    }

    /// Nor does it keep the agent from working: then the last collector takes the
    /// group, with the program, along.
    private static func placeholders(_ host: HostFacts) -> Item {
        Item(
            check: "groups outlive their last collector", ok: true,
            detail: host.mayGiveSockets
                ? "CAP_CHOWN is there: of any user's collectors"
                : "CAP_CHOWN is missing: only of collectors of user \(host.user)",
            remedy: host.mayGiveSockets
                ? nil : "give the agent CAP_CHOWN (AmbientCapabilities= of its unit), or run it as the collectors' user"
        )
    }

    /// What only some configurations need.
    private static func extras(_ configuration: PoolConfiguration, _ host: HostFacts) -> [Item] {
        var items: [Item] = []
        if configuration.onMove == .reset {
            items.append(
                item(
                    "on_move: reset", host.mayEndSessions, "CAP_NET_ADMIN is there: sessions can be ended",
                    "CAP_NET_ADMIN is missing: no session can be ended",
                    "give the agent CAP_NET_ADMIN (AmbientCapabilities= of its unit), or set on_move: follow"))
        }
        if let user = configuration.collectorUser {
            let isOwn = user == host.user
            items.append(
                item(
                    "collector_user \(user)", isOwn || host.mayGiveSockets,
                    isOwn ? "it is the agent's own user" : "CAP_CHOWN is there: sockets can be given to it",
                    "CAP_CHOWN is missing: user \(host.user)'s sockets can't be given to it",
                    "give the agent CAP_CHOWN (AmbientCapabilities= of its unit), or run it as user \(user)"))
        }
        return items
    }

    private static func pins(_ host: HostFacts) -> Item {
        let name = "pins in \(host.bpffs)"
        let isStandard = host.bpffs.hasPrefix("/sys/fs/bpf")
        let place = isStandard ? "/sys/fs/bpf" : host.bpffs
        if !host.hasBPFFS {
            let mountsItself = isStandard && host.mayMount
            return Item(
                check: name, ok: mountsItself,
                detail: "no bpffs is mounted there" + (mountsItself ? ": the agent will mount one at \(place)" : ""),
                remedy: mountsItself ? nil : "mount it as root: mkdir -p \(place) && mount -t bpf bpf \(place)")
        }
        return item(
            name, host.mayWritePins, "a bpffs is mounted, and can be written", "the bpffs there can't be written",
            "run it as the user that owns \(place), or as root")
    }
}
