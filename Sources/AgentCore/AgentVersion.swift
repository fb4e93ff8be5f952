/// The release that this program is.
package enum AgentVersion {
    package static let text = "0.1.0"
}
