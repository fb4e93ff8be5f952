import Glibc

/// How much clients of the status server can cost.
struct StatusLimits {
    /// Connections at a time: a quarter of the files that the agent may have open, so
    /// that collectors' sockets find room however many clients come.
    let connections: Int
    /// Of these, readers of events.
    let streams: Int
    /// Bytes of answers that wait for their readers.
    let waitingBytes = 2 << 20
    /// Half of the bytes that may wait for one reader in the kernel: over loopback TCP
    /// takes megabytes by itself.
    let sendBuffer: Int32 = 65_536
    /// Connections that are accepted, read or written in one turn of the agent's loop.
    let stepsPerTurn = 64

    /// From the connection to the end of the request's head, nanoseconds.
    let requestTime: UInt64 = 5_000_000_000
    /// From the answer to the last byte of it.
    let answerTime: UInt64 = 10_000_000_000
    /// For a client to end that sends what isn't read.
    let farewellTime: UInt64 = 1_000_000_000
    /// Until a listener is looked at again that could not accept for want of files or memory.
    let acceptPause: UInt64 = 100_000_000
    /// A reader of events that takes nothing for so long is given up.
    let streamTimeout: UInt64 = 60_000_000_000

    init(openFiles: Int) {
        connections = min(512, max(16, openFiles / 4))
        streams = min(32, connections / 4)
    }

    /// By the limit of this process.
    static var ofProcess: StatusLimits {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return StatusLimits(openFiles: Int(min(limit.rlim_cur, 1 << 20)))
    }
}
