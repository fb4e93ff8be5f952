/// Names of the errno values that the kernel returns (errno(3)); the numbers
/// are those of asm-generic, the same on x86-64, arm64 and riscv64.
public enum ErrnoName {
    public static func of(_ number: Int32) -> String { names[number] ?? "errno \(number)" }

    private static let names: [Int32: String] = [
        1: "EPERM", 2: "ENOENT", 3: "ESRCH", 4: "EINTR", 5: "EIO", 7: "E2BIG", 8: "ENOEXEC", 9: "EBADF",
        11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 16: "EBUSY", 17: "EEXIST",
        18: "EXDEV", 19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL", 23: "ENFILE",
        24: "EMFILE", 27: "EFBIG", 28: "ENOSPC", 30: "EROFS", 32: "EPIPE", 36: "ENAMETOOLONG",
        38: "ENOSYS", 39: "ENOTEMPTY", 40: "ELOOP", 71: "EPROTO", 77: "EBADFD", 88: "ENOTSOCK",
        90: "EMSGSIZE", 91: "EPROTOTYPE", 92: "ENOPROTOOPT", 93: "EPROTONOSUPPORT", 95: "EOPNOTSUPP",
        97: "EAFNOSUPPORT",
        98: "EADDRINUSE", 99: "EADDRNOTAVAIL", 101: "ENETUNREACH", 104: "ECONNRESET", 105: "ENOBUFS", 106: "EISCONN",
        107: "ENOTCONN",
        109: "ETOOMANYREFS", 110: "ETIMEDOUT", 111: "ECONNREFUSED", 524: "ENOTSUPP",
    ]
}
