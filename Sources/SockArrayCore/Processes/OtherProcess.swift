import CBPFShim
import Glibc
import PoolModel

/// A process whose sockets can be borrowed (pidfd_open(2), pidfd_getfd(2)).
public struct OtherProcess: ~Copyable {
    public let pid: Int32
    private let descriptor: Descriptor

    /// - Throws: ESRCH: there is no such process.
    public init(pid: Int32) throws(KernelError) {
        self.pid = pid
        descriptor = Descriptor(owning: try kernel("pidfd_open \(pid)", rpa_pidfd_open(pid)))
    }

    /// Takes ownership of a pidfd that a client passed.
    ///
    /// - Throws: EBADF: it isn't a pidfd. ESRCH: the process has ended, or isn't
    ///   visible in our PID namespace.
    public init(pidfd: consuming Descriptor) throws(KernelError) {
        let pid = try Pidfd.visiblePid(of: pidfd)
        self.init(pid: pid, pidfd: pidfd)
    }

    /// - Parameter pid: the process's pid, as in /proc.
    package init(pid: Int32, pidfd: consuming Descriptor) {
        self.pid = pid
        descriptor = pidfd
    }

    /// The pid and start time, which name the process for good. Never those of another process
    /// with the same pid: a pid is reused only after its process has ended.
    ///
    /// Nil: the process has ended, or isn't visible in our /proc.
    public var identity: ProcessIdentity? {
        let identity = ProcessIdentity(pid: pid)
        return hasEnded ? nil : identity
    }

    /// The effective user. Nil in the cases of `identity`.
    public var user: UInt32? {
        let user = ProcessFacts.user(of: pid)
        return hasEnded ? nil : user
    }

    private var hasEnded: Bool { Pidfd.hasEnded(descriptor.number) }

    /// The pidfd, valid while this value lives.
    public var number: Int32 { descriptor.number }

    /// pidfd_send_signal(2): never signals another process that has the same pid by now.
    public func send(_ signal: Int32) throws(KernelError) {
        try kernel("pidfd_send_signal \(pid)", rpa_pidfd_signal(descriptor.number, signal))
    }

    /// The process's UDP, TCP and MPTCP sockets. Each is borrowed in turn while it is examined;
    /// the wanted ones stay borrowed until their objects are destroyed.
    ///
    /// - Throws: EPERM: lacks CAP_SYS_PTRACE.
    public func sockets(borrowing isWanted: (SocketFacts) -> Bool) throws(KernelError) -> ProcessSockets {
        var sockets = ProcessSockets()
        try look { socket in
            if isWanted(socket.offer.socket) {
                sockets.borrowed.append(socket)
            } else {
                sockets.others.append(socket.offer.socket)
            }
        }
        return sockets
    }

    /// The first socket that has one of these cookies, borrowed. Nothing else is read of
    /// the others: there may be thousands.
    ///
    /// - Throws: EPERM: lacks CAP_SYS_PTRACE.
    public func firstSocket(of cookies: Set<UInt64>) throws(KernelError) -> OfferedSocket? {
        for number in 0..<Int32(descriptorTableSize) {
            guard let borrowed = try borrow(number) else { continue }
            var cookie: UInt64 = 0
            guard rpa_socket_cookie(borrowed.number, &cookie) == 0, cookies.contains(cookie) else { continue }
            return try OfferedSocket(borrowed, label: label(number))
        }
        return nil
    }

    /// Calls the body with each UDP, TCP or MPTCP socket in turn.
    private func look(_ visit: (OfferedSocket) -> Void) throws(KernelError) {
        for number in 0..<Int32(descriptorTableSize) {
            guard let borrowed = try borrow(number) else { continue }
            let socket: OfferedSocket
            do {
                socket = try OfferedSocket(borrowed, label: label(number))
            } catch {
                // Not a socket, or a socket that takes one descriptor more to examine.
                if error.meansOpenFiles { throw error }
                continue
            }
            if case .other = socket.offer.socket.kind { continue }
            visit(socket)
        }
    }

    private func label(_ number: Int32) -> String { "pid \(pid) fd \(number)" }

    /// Tries every number of the descriptor table: the names under
    /// /proc/PID/fd of another user's process can't be read, even with CAP_SYS_PTRACE.
    ///
    /// - Returns: nil if the process has no such descriptor.
    private func borrow(_ number: Int32) throws(KernelError) -> Descriptor? {
        let result = rpa_pidfd_getfd(descriptor.number, number)
        if result == -KernelError.badDescriptor { return nil }
        return Descriptor(owning: try kernel("pidfd_getfd \(pid)", result))
    }

    /// Size of the descriptor table, at most 65,536: no open number is higher.
    private var descriptorTableSize: Int {
        let size = ProcessFacts.status(of: pid)?["FDSize"].flatMap { Int($0) } ?? 1_024
        return min(size, 65_536)
    }
}

/// The UDP and TCP sockets of a process. A collector has few sockets that can be registered,
/// but may have thousands of sessions.
public struct ProcessSockets {
    /// The wanted sockets, each borrowed until its object is destroyed.
    public var borrowed: [OfferedSocket] = []
    /// The facts of the other sockets.
    public var others: [SocketFacts] = []

    public var all: [SocketFacts] { borrowed.map(\.offer.socket) + others }
}

/// What /proc shows of any process to any user (proc(5)).
public enum ProcessFacts {
    /// Clock ticks from boot to the process's start, by the kernel's own clock: the same for readers of
    /// all time namespaces, but for one tick. Together, pid and start name a process for good.
    /// Nil: there is no such process.
    public static func startTime(of pid: Int32) -> UInt64? {
        // Field 22 is the 20th after the name.
        let fields = statFields(of: "\(pid)")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return startTime(in: fields)
    }

    /// - Parameter fields: at least 20.
    private static func startTime(in fields: [Substring]) -> UInt64? {
        UInt64(fields[19]).map {
            KernelClock.offsets.kernelTicks(of: $0, ticksPerSecond: KernelClock.ticksPerSecond)
        }
    }

    /// The fields of the process's `stat` after its name in parentheses, which may contain anything.
    static func statFields(of process: String) -> [Substring] {
        guard let text = read("/proc/\(process)/stat"), let name = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: name)...].split { $0 == " " || $0 == "\n" }
    }

    /// User and system time of the process's threads, in clock ticks. Nil: there is no such process.
    static func cpuTicks(of process: ProcessIdentity) -> UInt64? {
        // Fields 14 and 15 are the 12th and 13th after the name.
        let fields = statFields(of: "\(process.pid)")
        guard fields.count > 19, let start = startTime(in: fields), process.isStart(start),
            let user = UInt64(fields[11]), let system = UInt64(fields[12])
        else { return nil }
        return user + system
    }

    /// The effective user of the process.
    public static func user(of pid: Int32) -> UInt32? {
        guard let ids = status(of: pid)?["Uid"]?.split(separator: "\t"), ids.count > 1 else { return nil }
        return UInt32(ids[1])
    }

    /// The process's name, at most 15 bytes: what ps(1) shows as COMM.
    public static func name(of pid: Int32) -> String? { status(of: pid)?["Name"].map { String($0) } }

    public static func parent(of pid: Int32) -> Int32? {
        status(of: pid)?["PPid"].flatMap { Int32($0) }
    }

    /// The process's control groups, as cgroups(7) describes the file. Nil: there is no such process.
    package static func controlGroups(of pid: Int32) -> String? { read("/proc/\(pid)/cgroup") }

    static func status(of pid: Int32) -> [Substring: Substring]? { fields(of: "/proc/\(pid)/status") }

    /// `Name:	value` lines.
    static func fields(of path: String) -> [Substring: Substring]? {
        guard let text = read(path) else { return nil }
        var fields: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[line.index(after: colon)...].drop { $0 == "\t" || $0 == " " }
        }
        return fields
    }

    static func read(_ path: String) -> String? {
        SmallFile.read(path).flatMap { $0.isEmpty ? nil : $0 }
    }
}
