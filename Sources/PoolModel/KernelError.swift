/// A system call that the kernel refused. The code that catches it knows its meaning
/// and makes it a `Failure`.
public struct KernelError: Error, Equatable, Sendable {
    /// The call and its object: `bpf_map_update_elem sockets`.
    public let operation: String
    /// Positive.
    public let errno: Int32

    public init(operation: String, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }

    // The errno values that callers handle.
    public static let noProcess: Int32 = 3
    public static let notPermitted: Int32 = 1
    package static let noEntry: Int32 = 2
    package static let interrupted: Int32 = 4
    package static let badDescriptor: Int32 = 9
    package static let again: Int32 = 11
    static let noMemory: Int32 = 12
    package static let accessDenied: Int32 = 13
    package static let busy: Int32 = 16
    package static let exists: Int32 = 17
    package static let isFolder: Int32 = 21
    public static let invalid: Int32 = 22
    package static let noSpace: Int32 = 28
    static let noSystemCall: Int32 = 38
    static let noProtocol: Int32 = 93
    package static let notSupported: Int32 = 95
    static let noFamily: Int32 = 97
    package static let noSuchAddress: Int32 = 99
    package static let noDevice: Int32 = 19
    package static let addressInUse: Int32 = 98
    package static let noBuffers: Int32 = 105

    /// EMFILE or ENFILE: a limit of the caller, unrelated to the object.
    package var meansOpenFiles: Bool { errno == 24 || errno == 23 }
}

extension KernelError: CustomStringConvertible {
    public var description: String { "\(operation): \(ErrnoName.of(errno))" }
}
