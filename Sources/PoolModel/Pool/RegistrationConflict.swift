/// Why a socket or a name can't be registered while somebody else has it: texts that are safe to follow.
/// None of them ends or unregisters a collector that works.
extension RegistrationPlan {
    /// A socket that another collector of the pool has.
    struct TakenSocket {
        /// `fd 5 (udp 0.0.0.0:4739)`.
        let socket: String
        /// The collector that has it.
        let holder: String
        /// The holder left the configuration, and drains.
        let isDeparted: Bool
        /// The holder's process; nil: it isn't known, or has ended.
        let owner: ProcessIdentity?
        /// The process that is to be registered; nil: it isn't known.
        let process: ProcessIdentity?

        func failure(registering collector: String, act: String) -> Failure {
            let (cause, remedy) = words(registering: collector)
            return Failure(.conflict, act: act, cause: "\(socket) \(cause)", remedy: remedy)
        }

        private func words(registering collector: String) -> (cause: String, remedy: String) {
            if let owner, let process, owner != process {
                return (
                    "is the socket of collector \(holder), whose process \(owner.pid) shares it with process "
                        + "\(process.pid): both would read the same queue",
                    "let each collector bind a socket of its own with SO_REUSEPORT, instead of inheriting one, and "
                        + "register \(collector) then"
                )
            }
            if isDeparted {
                return (
                    "is still registered as \(holder), which left the configuration and is draining",
                    "run: reuseport-agent unregister --collector \(holder), and repeat it at once; or repeat it "
                        + "when \(holder) is empty and gone from reuseport-agent status"
                )
            }
            if let process, owner == process {
                return (
                    "is registered as \(holder): process \(process.pid) is that collector",
                    "give the process of \(collector) itself; reuseport-agent status shows the PID of each registered "
                        + "collector"
                )
            }
            return (
                "is registered as \(holder)",
                "give a socket or process of \(collector)'s own: each collector binds its own socket with SO_REUSEPORT, "
                    + "and reuseport-agent status shows the PID of each registered collector"
            )
        }
    }

    /// Another live socket has the collector's slot.
    ///
    /// - Parameters:
    ///   - owner: its process; nil: it isn't known.
    ///   - process: the process that is to be registered; nil: it isn't known.
    static func nameIsTaken(
        _ collector: String, in group: ReuseportGroup, cookie: UInt64, owner: ProcessIdentity?,
        by process: ProcessIdentity?, act: String
    ) -> Failure {
        let holder = owner.map { "of process \($0.pid), " } ?? ""
        return Failure(
            .conflict, act: act,
            cause: "it is registered with another live socket in group \(group.name) (\(holder)cookie \(cookie))",
            remedy: "if you mean another collector, give its name with --collector; if \(collector) is to continue in "
                + "the new process, without loss: start it by reuseport-agent exec --replace, or run: "
                + "reuseport-agent replace --collector \(collector) --pid " + (process.map { "\($0.pid)" } ?? "PID"))
    }
}

/// Who has a socket that the kernel refuses with EBUSY: a socket is in one sockarray at a time.
public enum SocketHolder: Equatable, Sendable {
    /// Another pool of the same bpffs folder.
    case pool(String, collector: String?)
    /// A sockarray that no pool of the folder has.
    case unknown

    /// - Parameter socket: `fd 5 (udp 0.0.0.0:4739)`.
    public func failure(_ socket: String, errno: Int32, act: String) -> Failure {
        switch self {
        case .pool(let pool, let collector):
            return Failure(
                .conflict, act: act,
                cause: "\(socket) is registered in pool \(pool)" + (collector.map { " as collector \($0)" } ?? "")
                    + ", and a socket can be in one pool only",
                errno: errno,
                remedy: "if it belongs in this pool, unregister it there first: reuseport-agent unregister --collector "
                    + "\(collector ?? "NAME") --control PATH, with the control_socket of pool \(pool)'s agent")
        case .unknown:
            return Failure(
                .conflict, act: act,
                cause: "\(socket) is in the BPF map (sockarray) of another program: of the collector itself, or of a "
                    + "pool under another bpffs folder",
                errno: errno,
                remedy: "\(CollectorPrograms.off), and restart it; to find the map and who has it: "
                    + "bpftool map list | grep -A3 reuseport_sockarray")
        }
    }
}

/// Collectors that distribute packets by a BPF program of their own.
public enum CollectorPrograms {
    /// How to turn such programs off: a clause.
    public static let off =
        "turn off the collector's own BPF load balancing (pmacct: leave nfacctd_rp_ebpf_prog and "
        + "bmp_daemon_rp_ebpf_prog unset; Akvorado: run it without CAP_BPF)"
}
