import Glibc

/// A file descriptor that its holder closes (close(2)) at the end of its life.
public struct Descriptor: ~Copyable, Sendable {
    /// Borrowed: valid as long as this value lives.
    public let number: Int32

    public init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Gives the descriptor away; closing it is the caller's from here on.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}
