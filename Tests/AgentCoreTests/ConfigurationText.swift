import PoolModel

@testable import AgentCore

/// What the suites of the configuration's keys share: a group for short files, and the reader.
enum ConfigurationText {
    static let groups = "groups: [{name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}]"

    static func read(_ text: String) throws(Failure) -> PoolConfiguration {
        try ConfigurationReader(text: text, file: "edge.yaml").read()
    }
}
