import TelemetryLab
import TestSupport

/// A systemd unit of examples/systemd, which a test follows.
struct UnitFile {
    private let lines: [Substring]

    init(_ name: String) throws {
        guard let text = FileText.read("\(Checkout.examples)/systemd/\(name)") else {
            throw LabError("no unit \(name)")
        }
        lines = text.split(separator: "\n")
    }

    /// Values of all lines with the key.
    func values(_ key: String) -> [String] {
        lines.filter { $0.hasPrefix("\(key)=") }.map { String($0.dropFirst(key.utf8.count + 1)) }
    }

    /// The names in AmbientCapabilities=: `CAP_BPF`.
    var capabilities: [String] { values("AmbientCapabilities").flatMap { $0.split(separator: " ").map(String.init) } }

    /// The capabilities in comments, for users who need them.
    var optionalCapabilities: [String] { values("#AmbientCapabilities") }

    /// Does as root what the unit does as root, with a number for its user.
    func prepare(in sandbox: Sandbox, user: UInt32) throws {
        let name = values("User")[0]
        for line in values("ExecStartPre") {
            guard line.hasPrefix("+/") else { throw LabError("\(line) is not run as root") }
            let words = line.dropFirst().split(separator: " ").map { word in
                word == name ? "\(user)" : word == "\(name):\(name)" ? "\(user):\(user)" : String(word)
            }
            let command = try ChildProcess(words, in: sandbox)
            guard try command.wait() == 0 else { throw LabError("\(line): \(command.errorOutput)") }
        }
    }

    /// setpriv(1) with what leaves the program a user and these capabilities alone.
    static func launcher(user: UInt32, capabilities: [String]) -> [String] {
        let names = ["-all"] + capabilities.map { "+" + $0.dropFirst("CAP_".count).lowercased() }
        let list = names.joined(separator: ",")
        return [
            "setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "--no-new-privs",
            "--inh-caps", list, "--ambient-caps", list, "--bounding-set", list,
        ]
    }
}
