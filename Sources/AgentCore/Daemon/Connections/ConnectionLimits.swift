import Glibc

/// How much the clients of one server can cost. Times are in nanoseconds.
struct ConnectionLimits {
    /// Simultaneous connections.
    let connections: Int
    /// How many of the connections may read events.
    var streams = 0
    /// Whether clients may pass descriptors.
    var takesDescriptors = false
    /// Answers that are made in one turn of the agent's loop.
    var answersPerTurn = Int.max
    /// Total bytes of answers that wait for their readers.
    var waitingBytes = Int.max
    /// Half of the bytes that may wait in the kernel for one reader; nil: the kernel's default.
    var sendBuffer: Int32?
    /// How long a connection whose request is incomplete is safe from new clients.
    var requestGrace: UInt64 = 0
    /// How long a reader that takes nothing of its answer is safe from new clients; nil: always.
    var answerGrace: UInt64?
    /// From the connection to the end of the request.
    let requestTime: UInt64
    /// From the answer to its last sent byte.
    let answerTime: UInt64

    /// How long a client that sends more than its request has to close the connection.
    static let farewellTime: UInt64 = 1_000_000_000
    /// Pause after an accept(2) that failed for lack of descriptors or memory.
    static let acceptPause: UInt64 = 100_000_000
    /// How long a reader of events may take nothing before it is closed.
    static let streamTimeout: UInt64 = 60_000_000_000
    /// Connections that are accepted, read or written in one turn of the agent's loop.
    static let stepsPerTurn = 64
}

extension ConnectionLimits {
    /// The status server: clients may be anybody, and registrations come first, hence one answer in a
    /// turn. A quarter of the agent's open files may be clients, and collectors' sockets always find
    /// room. Over loopback TCP, the kernel would buffer megabytes for each reader.
    static func status(openFiles: Int) -> ConnectionLimits {
        let connections = min(512, max(16, openFiles / 4))
        return ConnectionLimits(
            connections: connections, streams: min(32, connections / 4), answersPerTurn: 1, waitingBytes: 2 << 20,
            sendBuffer: 65_536, requestTime: 5_000_000_000, answerTime: 10_000_000_000)
    }

    /// With the limit of open files of this process.
    static var status: ConnectionLimits {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return status(openFiles: Int(min(limit.rlim_cur, 1 << 20)))
    }
}
