/// A unit of systemd that processes run in (systemd.unit(5)).
public struct UnitName: Hashable, Sendable {
    /// With its type: `nfacctd@c1.service`.
    public let name: String

    public enum Problem: Error, Equatable {
        /// Other letters, or not 1 to 255 of them.
        case spelling
        /// A unit of that type runs no collector.
        case type(String)
        /// `nfacctd@.service`, which is a template.
        case template
    }

    /// Units of these types have control groups of their own with processes in them.
    /// Longest name, in bytes.
    public static let limit = 255
    static let types = ["service", "scope", "slice"]
    private static let otherTypes = ["socket", "target", "timer", "path", "mount", "automount", "swap", "device"]

    /// - Parameter text: without a type it is a service's.
    public init(_ text: String) throws(Problem) {
        let type = text.split(separator: ".", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        if Self.otherTypes.contains(type), type != text { throw .type(type) }
        let name = Self.types.contains(type) && type != text ? text : text + ".service"
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: #":-_.\@"#.utf8.contains(byte)
            }
        }
        guard isPlain, !text.isEmpty, name.utf8.count <= Self.limit, !text.hasPrefix("@"), !name.hasPrefix(".") else {
            throw .spelling
        }
        guard !Self.types.contains(where: { name.hasSuffix("@.\($0)") }) else { throw .template }
        self.name = name
    }

    /// Whether a path of control groups goes through the unit's own, that the system's
    /// manager gave it. In user@1000.service there is a manager of that user's, whose
    /// units may have any name: only user@1000.service is a unit of the system's.
    func isComponent(ofPath path: String) -> Bool {
        for component in path.utf8.split(separator: UInt8(ascii: "/")) {
            if isName(ofFolder: component) { return true }
            if Self.isUserManager(component) { return false }
        }
        return false
    }

    private func isName(ofFolder component: Substring.UTF8View) -> Bool {
        if component.elementsEqual(name.utf8) { return !name.hasPrefix("_") }
        // systemd puts a _ before names that the kernel could take for a file of
        // its own (cpu.service), and before those that start with _.
        return component.first == UInt8(ascii: "_") && component.dropFirst().elementsEqual(name.utf8)
    }

    /// `user@1000.service`.
    private static func isUserManager(_ component: Substring.UTF8View) -> Bool {
        component.starts(with: "user@".utf8) && component.suffix(8).elementsEqual(".service".utf8)
    }
}
