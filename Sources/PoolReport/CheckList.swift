import PoolModel

/// The checks of `check`: what would keep the agent from working here, and what to do.
public struct CheckList: Sendable {
    public struct Item: Equatable, Sendable, Codable {
        public var check: String
        public var ok: Bool
        public var detail: String
        /// What to do; nil if nothing.
        public var remedy: String?

        public init(check: String, ok: Bool, detail: String, remedy: String? = nil) {
            self.check = check
            self.ok = ok
            self.detail = detail
            self.remedy = remedy
        }

        /// Something optional is missing.
        public var isMissingOption: Bool { ok && remedy != nil }
    }

    /// A place where the agent will listen.
    public struct Place: Sendable {
        /// The key in the configuration, and the path or address.
        public var name: String
        /// Why the agent can't listen there.
        public var problem: Failure?
        /// The pool's own agent runs, and listens there.
        public var isTheAgents = false
        /// The address of a TCP socket; nil for a Unix socket.
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
    ///   - trial: of the agent's start.
    ///   - limits: of the process that made it.
    ///   - configuration: why the file can't be used, if it can't; nil where no file was given.
    public init(
        _ host: HostFacts, trial: TrialReport, limits: ProcessLimits,
        configuration: Result<PoolConfiguration, Failure>?, sockets: [Place] = []
    ) {
        var items = [Item(check: "kernel", ok: true, detail: "Linux \(host.kernelRelease)")]
        items += Self.items(of: trial, limits)
        items += [
            Self.borrowing(host, trial), Self.migration(trial), Self.placeholders(host), Self.pins(host),
            Self.clock(host),
        ].compactMap(\.self)
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
        let detail = place.isTheAgents ? "this pool's agent listens there" : "it can be made"
        guard let endpoint = place.endpoint, !endpoint.isLoopback else {
            return Item(check: place.name, ok: true, detail: detail)
        }
        return Item(
            check: place.name, ok: true,
            detail: "\(detail); it isn't a loopback address: whoever reaches it can read the status, without TLS",
            remedy: "restrict access with a firewall, or use 127.0.0.1:\(endpoint.port)")
    }

    private static func item(_ check: String, _ failure: Failure) -> Item {
        Item(check: check, ok: false, detail: failure.problem, remedy: failure.remedy)
    }

    private static func item(_ check: String, _ ok: Bool, _ yes: String, _ no: String, _ remedy: String) -> Item {
        Item(check: check, ok: ok, detail: ok ? yes : no, remedy: ok ? nil : remedy)
    }

    /// Checks without which `run` fails.
    private static func items(of trial: TrialReport, _ limits: ProcessLimits) -> [Item] {
        let steps: [(TrialStep, String, String)] = [
            (.maps, "maps", maps(trial.facts, limits)), (.programs, "programs", programs(trial.facts, limits)),
            (.memory, "memory", "there is memory for the agent's later work"),
            (.socketDiag, "sock_diag", "sockets are listed, and those that close are reported"),
        ]
        var items: [Item] = trial.failures[.systemCalls].map { [item("bpf(2)", $0)] } ?? []
        items += steps.compactMap { step, name, detail -> Item? in
            if let failure = trial.failures[step] { return item(name, failure) }
            return trial.passed.contains(step) ? Item(check: name, ok: true, detail: detail) : nil
        }
        if let failure = trial.failures[.groupSockets] {
            items.append(item("sockets", failure))
        } else if let absent = trial.facts.absentAddresses {
            items.append(
                Item(
                    check: "sockets", ok: true,
                    detail: "addresses that this host does not have now: \(absent.joined(separator: ", "))",
                    remedy: "collectors can bind them when the host has them; if it never will, correct the group"))
        } else if trial.passed.contains(.groupSockets) {
            items.append(Item(check: "sockets", ok: true, detail: "sockets at the groups' addresses can be made"))
        }
        return items
    }

    private static func maps(_ facts: TrialFacts, _ limits: ProcessLimits) -> String {
        let size = facts.mapBytes.map { ", \(ByteCount.text($0))" } ?? ""
        let limit =
            facts.countsLockedMemory == true
            ? "; this kernel counts them as locked memory ("
                + (facts.lockedMemory.map { "limit \(ByteCount.text($0))" } ?? "not limited") + ")"
            : limits.memory.map { "; memory limit \(ByteCount.text($0.bytes)) (\($0.file))" } ?? ""
        return "\(facts.mapCount ?? 0) maps can be made\(size)\(limit)"
    }

    private static func programs(_ facts: TrialFacts, _ limits: ProcessLimits) -> String {
        let names = facts.programs ?? []
        var different: [String] = []
        for name in names where !different.contains(name) { different.append(name) }
        let cost = limits.isTrustedByVerifier ? "" : "; without CAP_PERFMON, each execution takes longer"
        return "\(names.count) can be loaded: \(different.joined(separator: ", "))\(cost)"
    }

    /// CAP_SYS_PTRACE: `register --pid` and recognition need it, and `exec` if it can't borrow the sockets itself.
    private static func borrowing(_ host: HostFacts, _ trial: TrialReport) -> Item? {
        let name = "register --pid of other users' processes"
        if let failure = trial.failures[.borrowing] {
            return Item(check: name, ok: true, detail: failure.problem, remedy: failure.remedy)
        }
        return Item(
            check: name, ok: true,
            detail: host.mayBorrowSockets ? "CAP_SYS_PTRACE is there" : "CAP_SYS_PTRACE is missing: not possible here",
            remedy: host.mayBorrowSockets ? nil : "give the agent CAP_SYS_PTRACE, or let collectors use register --fd")
    }

    /// Without migration the agent works, but `replace` may lose pending connections. Nil: unknown.
    private static func migration(_ trial: TrialReport) -> Item? {
        trial.facts.canMigrate.map { isThere in
            Item(
                check: "connections of a closing listener", ok: true,
                detail: isThere
                    ? "pending ones migrate to the collector's new listener"
                    : "the kernel can't migrate pending ones: they are reset",
                remedy: isThere ? nil : "boot a kernel from 5.14 on, if pending BMP connections must survive a replace")
        }
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

    /// Checks that only some configurations need.
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
            guard isStandard, host.mayMount else {
                return Item(
                    check: name, ok: false, detail: "no bpffs is mounted there",
                    remedy: "mount it as root: mkdir -p \(place) && mount -t bpf bpf \(place)")
            }
            return pins(name, "no bpffs is mounted there: the agent will mount one at \(place)", host.pinLifetime)
        }
        guard host.mayWritePins else {
            return Item(
                check: name, ok: false, detail: "the bpffs there can't be written",
                remedy: "run it as the user that owns \(place), or as root")
        }
        return pins(name, "a bpffs is mounted, and can be written", host.pinLifetime)
    }

    private static func pins(_ name: String, _ detail: String, _ lifetime: PinLifetime) -> Item {
        if let danger = lifetime.danger {
            return Item(check: name, ok: true, detail: "\(detail); \(danger)", remedy: PinLifetime.remedy)
        }
        let note = lifetime == .unknown ? " (whether it is also mounted on the host can't be seen from here)" : ""
        return Item(check: name, ok: true, detail: detail + note)
    }

    /// Nil: the agent reads the kernel's own clock.
    private static func clock(_ host: HostFacts) -> Item? {
        if let failure = host.clock.refusal(act: "run the agent") { return item("clock", failure) }
        guard case .ahead(let offsets) = host.clock else { return nil }
        let seconds = offsets.monotonic / 1_000_000_000
        return Item(
            check: "clock", ok: true,
            detail: "the agent is in a time namespace, \(abs(seconds)) s \(seconds < 0 ? "behind" : "ahead of") the "
                + "kernel's clock, and converts its times")
    }
}
