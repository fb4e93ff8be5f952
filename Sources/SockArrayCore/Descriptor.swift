import Glibc

/// A file descriptor that is closed (close(2)) when this value is destroyed.
public struct Descriptor: ~Copyable, Sendable {
    /// Borrowed: valid as long as this value lives.
    public let number: Int32

    public init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Releases the descriptor: the caller must close it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}
