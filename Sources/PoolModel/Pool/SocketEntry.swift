/// An entry of each group's sockarray. A slot has one for each worker: for each socket that its collector has in a
/// group. That of worker 0 has the slot's own index (RPA_SOCKET_ENTRIES).
public struct SocketEntry: Hashable, Comparable, Sendable {
    public let index: UInt32

    /// - Parameter worker: 0 … `workerLimit` - 1.
    public init(_ slot: Slot, worker: Int) { index = UInt32(worker * SlotAllocation.capacity) + UInt32(slot.index) }

    /// - Parameter index: in the sockarray, at most `limit`.
    public init(index: UInt32) { self.index = index }

    public var slot: Slot { Slot(UInt16(index % UInt32(SlotAllocation.capacity))) }
    public var worker: Int { Int(index) / SlotAllocation.capacity }

    /// Sockets of one group that a slot can have (RPA_MAX_WORKERS).
    public static let workerLimit = 64
    /// Number of the entries that slots have (RPA_PROOF_ENTRY).
    public static let limit = UInt32(workerLimit * SlotAllocation.capacity)

    public static func < (left: SocketEntry, right: SocketEntry) -> Bool { left.index < right.index }
}
