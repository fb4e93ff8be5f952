/// A row of the bucket table, 0 … table size - 1.
public struct Bucket: Hashable, Sendable {
    public let index: UInt32

    public init(_ index: UInt32) { self.index = index }
}

/// A collector's index in every sockarray of its pool, 0 … 255.
public struct Slot: Hashable, Sendable, Comparable {
    public let index: UInt16

    public init(_ index: UInt16) { self.index = index }

    public static func < (left: Slot, right: Slot) -> Bool { left.index < right.index }
}
