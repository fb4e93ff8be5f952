import CTestShim
import Glibc
import TelemetryLab

/// A system call that a seccomp filter refuses, for a program that is run under it.
enum RefusedCall: String {
    case bpf
    /// socket(AF_NETLINK, …, NETLINK_SOCK_DIAG).
    case socketDiag
    /// socket(AF_NETLINK, …), as RestrictAddressFamilies= of systemd does.
    case netlink
    case pidfdGetfd

    /// - Parameter error: what the caller gets; 0: it is killed by SIGSYS.
    func refuse(with error: Int32) throws {
        var refusal = lab_refusal()
        refusal.error = error
        switch self {
        case .bpf: refusal.number = lab_bpf_number()
        case .pidfdGetfd: refusal.number = lab_pidfd_getfd_number()
        case .socketDiag:
            refusal.number = lab_socket_number()
            refusal.arguments = 0b101
            (refusal.values.0, refusal.values.2) = (UInt32(AF_NETLINK), Self.socketDiagProtocol)
        case .netlink:
            refusal.number = lab_socket_number()
            refusal.arguments = 0b001
            refusal.values.0 = UInt32(AF_NETLINK)
        }
        let result = lab_refuse(&refusal)
        guard result == 0 else { throw LabError("seccomp: errno \(-result)") }
    }

    /// NETLINK_SOCK_DIAG.
    private static let socketDiagProtocol: UInt32 = 4

    /// Becomes the program, which is refused the call.
    static func run(_ name: String, error: Int32, _ command: [String]) throws -> Never {
        guard let call = RefusedCall(rawValue: name) else { throw LabError("no refusal of \(name)") }
        try call.refuse(with: error)
        let arguments = command.map { strdup($0) } + [nil]
        execvp(command[0], arguments)
        throw LabError("cannot run \(command[0]): errno \(errno)")
    }
}
