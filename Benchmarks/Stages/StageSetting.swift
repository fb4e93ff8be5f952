/// One subject in namespaces of its own, with its collectors.
struct StageSetting: Codable {
    var subject: Subject
    var transport = Transport.datagrams
    var collectors = 4
    var agentProgram = ""
    /// Additional lines of the agent's configuration, after pool, collectors and groups.
    var configuration = ""
    /// The number of configured exporters, of one address each: the first of those that send.
    var aliases = 0
    /// The agent's collectors are one, which has this choice among their sockets; empty: one socket each.
    var workers = ""

    enum Transport: String, Codable { case datagrams, streams }

    /// The port that exporters send to.
    var port: UInt16 { transport == .datagrams ? 4_739 : 1_790 }

    /// The collectors' own ports, if they don't share one.
    func ownPort(_ index: Int) -> UInt16 { UInt16(20_000 + index) }
}

/// The software that distributes the exporters over the collectors.
enum Subject: String, Codable, CaseIterable {
    case plain, agent, turn, nft, nginx, nginxOneWay, tee, haproxy

    /// The collectors are members of one reuseport group.
    var sharesPort: Bool { [.plain, .agent, .turn].contains(self) }
}

/// The load that a stage sends.
struct LoadOrder: Codable {
    enum Kind: String, Codable { case datagrams, connections, bulk, messages }

    var kind = Kind.datagrams
    var sources = 512
    var length = 200
    /// Messages a second; nil: full speed.
    var rate: Int?
    var seconds = 2.0
}

/// The result of a load.
struct LoadOutcome: Codable {
    /// Messages, connections or (bulk) bytes, from the first to the last.
    var sent: UInt64
    var received: UInt64
    /// The same within the measured window, which excludes the warm-up.
    var windowSeconds: Double
    var windowReceived: UInt64
    var busyMicroseconds: Double
    /// Context switches of the whole machine.
    var switches: Double
    /// Sources that reached a collector, and sources that reached several.
    var seen: Int
    var split: Int
    /// Of the messages that the collectors received: the most by the mean.
    var unevenness: Double
    /// Microseconds: p50, p99, p99.9.
    var latencies: [Double]
    var balancerMicroseconds: Double
    var balancerKibibytes: Double
}

/// An answer on a stage's channel.
enum StageAnswer: Codable {
    case ready
    case outcome(LoadOutcome)
    case failed(String)
}
