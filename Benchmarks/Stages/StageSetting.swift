/// One subject in namespaces of its own, with its collectors.
struct StageSetting: Codable {
    var subject: Subject
    var transport = Transport.datagrams
    var collectors = 4
    var agentProgram = ""
    /// Lines of the agent's configuration beside pool, collectors and groups.
    var configuration = ""
    /// Configured exporters, of one address each: the first ones of those that send.
    var aliases = 0

    enum Transport: String, Codable { case datagrams, streams }

    /// Where exporters send to.
    var port: UInt16 { transport == .datagrams ? 4_739 : 1_790 }

    /// The collectors' own ports, where they don't share one.
    func ownPort(_ index: Int) -> UInt16 { UInt16(20_000 + index) }
}

/// Who spreads the exporters over the collectors.
enum Subject: String, Codable, CaseIterable {
    case plain, agent, nft, nginx, nginxOneWay, tee, haproxy

    /// The collectors are members of one reuseport group.
    var sharesPort: Bool { self == .plain || self == .agent }
}

/// What a stage is to send.
struct LoadOrder: Codable {
    enum Kind: String, Codable { case datagrams, connections, bulk, messages }

    var kind = Kind.datagrams
    var sources = 512
    var length = 200
    /// Messages a second; nil: as fast as it goes.
    var rate: Int?
    var seconds = 2.0
}

/// What became of it.
struct LoadOutcome: Codable {
    /// Messages, connections or (bulk) bytes, from the first to the last.
    var sent: UInt64
    var received: UInt64
    /// In the window of measurement, which leaves out the beginning.
    var windowSeconds: Double
    var windowReceived: UInt64
    var busyMicroseconds: Double
    /// Context switches, of the whole machine.
    var switches: Double
    /// Sources that some collector got something of, and those that several did.
    var seen: Int
    var split: Int
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
