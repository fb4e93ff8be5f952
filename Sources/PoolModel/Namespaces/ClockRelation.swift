/// How the clocks that a process reads differ from the kernel's own, by which the BPF programs measure.
///
/// In a time namespace (LXC, restored containers), clock_gettime(2) adds an offset to CLOCK_MONOTONIC and
/// CLOCK_BOOTTIME; bpf_ktime_get_ns() doesn't. Source: time_namespaces(7).
public enum ClockRelation: Equatable, Sendable {
    /// The process reads the kernel's own clocks.
    case same
    /// The process's clocks are ahead of the kernel's by these offsets.
    case ahead(TimeOffsets)
    /// The process is in a time namespace whose offsets it can't read.
    case unknown

    /// The inode of the initial time namespace (PROC_TIME_INIT_INO in the kernel's proc_ns.h).
    static let initialNamespace = "time:[4026531834]"

    /// - Parameters:
    ///   - own: target of /proc/self/ns/time; nil: the kernel has no time namespaces.
    ///   - children: target of /proc/self/ns/time_for_children.
    ///   - offsets: /proc/self/timens_offsets, which shows the offsets of `children`. After unshare(2), and on
    ///     older kernels also after execve(2), these aren't the offsets of the process itself.
    public init(own: String?, children: String?, offsets: String?) {
        guard let own, own != Self.initialNamespace else {
            self = .same
            return
        }
        guard own == children, let offsets = offsets.flatMap(TimeOffsets.init(text:)) else {
            self = .unknown
            return
        }
        self = offsets == TimeOffsets() ? .same : .ahead(offsets)
    }

    public var offsets: TimeOffsets? {
        switch self {
        case .same: TimeOffsets()
        case .ahead(let offsets): offsets
        case .unknown: nil
        }
    }

    /// Why an agent can't work with these clocks; nil: it can.
    public func refusal(act: String) -> Failure? {
        guard self == .unknown else { return nil }
        return Failure(
            .privilege, act: act,
            cause: "the agent is in a time namespace whose offset it can't read (/proc/self/timens_offsets), and "
                + "its clock isn't the one by which the BPF program measures restart_hold",
            remedy: "run the agent in the host's time namespace")
    }
}

/// What a time namespace adds to the kernel's clocks, in nanoseconds; negative: its clocks are behind.
public struct TimeOffsets: Equatable, Sendable {
    public var monotonic: Int64
    public var boot: Int64

    public init(monotonic: Int64 = 0, boot: Int64 = 0) { (self.monotonic, self.boot) = (monotonic, boot) }

    /// The text of /proc/PID/timens_offsets: `monotonic  864000  0`, seconds and nanoseconds, a clock in each line.
    /// Nil: it has another form.
    public init?(text: String) {
        var found: [Substring: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, let seconds = Int64(words[1]), let rest = Int64(words[2]) else { return nil }
            let (product, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            let (sum, overflows) = product.addingReportingOverflow(rest)
            guard !isTooLarge, !overflows else { return nil }
            found[words[0]] = sum
        }
        guard let monotonic = found["monotonic"], let boot = found["boottime"] else { return nil }
        self.init(monotonic: monotonic, boot: boot)
    }

    /// Clock ticks since boot by the kernel's own clock, of a count that the namespace's clock made.
    ///
    /// The kernel rounds after it has added the offset: from a namespace whose offset has a fraction of a
    /// tick, the result can be one tick too late.
    public func kernelTicks(of ticks: UInt64, ticksPerSecond: Int64) -> UInt64 {
        let length = 1_000_000_000 / max(ticksPerSecond, 1)
        // Rounded down, also below zero.
        let offset = boot >= 0 ? boot / length : -((-boot + length - 1) / length)
        return UInt64(max(0, Int64(bitPattern: ticks) &- offset))
    }
}
