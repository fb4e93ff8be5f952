/// What would keep the agent from working here, and what to do about it.
public struct CheckList: Sendable {
    public struct Item: Equatable, Sendable, Codable {
        public var check: String
        public var ok: Bool
        public var detail: String
        /// What to do; nil where nothing is to be done.
        public var remedy: String?
    }

    public let items: [Item]
    private let configurationFailed: Bool

    /// - Parameter configuration: the pool's name, or why the file can't be
    ///   used; nil where no file was given.
    public init(_ host: HostFacts, configuration: Result<String, Failure>?) {
        var items = [
            Self.kernel(host),
            Self.feature("program type SK_REUSEPORT", host.hasProgramType, host),
            Self.feature("map type REUSEPORT_SOCKARRAY", host.hasSocketArray, host),
            Self.item(
                "loading BPF programs", host.mayUseBPF, "CAP_BPF is there", "CAP_BPF is missing",
                "run it as root, or give the agent CAP_BPF (AmbientCapabilities= of its unit)"),
            Self.borrowing(host),
            Self.pins(host),
        ]
        var failed = false
        switch configuration {
        case .success(let pool): items.append(Item(check: "configuration", ok: true, detail: "pool \(pool)"))
        case .failure(let failure):
            failed = true
            items.append(Item(check: "configuration", ok: false, detail: failure.cause, remedy: "\(failure)"))
        case nil: break
        }
        self.items = items
        configurationFailed = failed
    }

    /// 0, 2 for the configuration, 6 for the machine.
    public var exitCode: Int32 {
        if items.contains(where: { !$0.ok && $0.check != "configuration" }) { return Failure.Kind.privilege.rawValue }
        return configurationFailed ? Failure.Kind.usage.rawValue : 0
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
            return Item(check: name, ok: false, detail: "it can't be tried without CAP_BPF", remedy: "check as root")
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

    private static func pins(_ host: HostFacts) -> Item {
        let name = "pins in \(host.bpffs)"
        let isStandard = host.bpffs.hasPrefix("/sys/fs/bpf")
        let place = isStandard ? "/sys/fs/bpf" : host.bpffs
        if !host.hasBPFFS {
            let mountsItself = isStandard && host.mayMount
            return Item(
                check: name, ok: mountsItself,
                detail: "no bpffs is mounted there" + (mountsItself ? ": the agent will mount one at \(place)" : ""),
                remedy: mountsItself ? nil : "mount it: mount -t bpf bpf \(place)")
        }
        return item(
            name, host.mayWritePins, "a bpffs is mounted, and can be written", "the bpffs there can't be written",
            "run it as the user that owns \(place), or as root")
    }
}
