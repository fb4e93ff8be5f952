import CBPFShim
import CLabShim
import Glibc

/// The effective capabilities of code in a sandbox: root's, unless the environment variable
/// REUSEPORT_TEST_CAPABILITIES names others, like `CAP_BPF CAP_CHOWN`. They let a test of the library
/// run as the shipped unit runs the agent; above all, the verifier checks the calling thread.
///
/// Only the thread has them. Its permitted capabilities stay root's, because it must leave
/// the sandbox again. A process that it starts gets all of root's by execve(2).
public enum SandboxCapabilities {
    private static let numbers: [Substring: rpa_capability] = [
        "CAP_BPF": RPA_CAP_BPF, "CAP_CHOWN": RPA_CAP_CHOWN, "CAP_NET_ADMIN": RPA_CAP_NET_ADMIN,
        "CAP_NET_BIND_SERVICE": RPA_CAP_NET_BIND_SERVICE, "CAP_NET_RAW": RPA_CAP_NET_RAW,
        "CAP_PERFMON": RPA_CAP_PERFMON, "CAP_SYS_PTRACE": RPA_CAP_SYS_PTRACE,
    ]

    /// Nil: all capabilities of root.
    private static let effective: UInt64? = getenv("REUSEPORT_TEST_CAPABILITIES").map { names in
        String(cString: names).split(separator: " ").reduce(0) { set, name in
            guard let number = numbers[name] else {
                fatalError("REUSEPORT_TEST_CAPABILITIES: no number for \(name); add it to SandboxCapabilities")
            }
            return set | 1 << UInt64(number.rawValue)
        }
    }

    /// Whether code in a sandbox has the capability.
    public static func include(_ name: String) -> Bool {
        guard let effective, let number = numbers[name[...]] else { return effective == nil }
        return effective & 1 << UInt64(number.rawValue) != 0
    }

    /// Runs the body with only these capabilities, and then restores root's.
    public static func with<Result>(_ names: Set<String>, _ body: () throws -> Result) rethrows -> Result {
        set(names.reduce(0) { $0 | 1 << UInt64(numbers[$1[...]]!.rawValue) })
        defer { set(effective ?? .max) }
        return try body()
    }

    static func drop() { if let effective { set(effective) } }

    static func raise() { if effective != nil { set(.max) } }

    private static func set(_ effective: UInt64) {
        let result = lab_sandbox_capabilities(effective)
        precondition(result == 0, "capset: errno \(-result)")
    }
}
