import CBPFShim
import PoolModel

/// The program's events about exporters: a pinned ring buffer.
public final class ExporterEvents {
    let map: Descriptor
    private var ring: OpaquePointer?

    /// An exporter was seen, for the first time in its interval.
    public struct Event: Equatable, Sendable {
        public let address: IPAddress
        /// The slot that got the exporter's last run; nil: none yet.
        public let slot: Slot?
        public let former: Former

        public enum Former: Equatable, Sendable {
            /// No event had named the exporter before.
            case new
            /// The slot in the exporter's previous event.
            case notified(Slot?)
        }
    }

    init(in folder: PinFolder) throws(PoolError) {
        map = try folder.map(
            "exporter_events", RPA_MAP_EVENTS, valueSize: 0, entries: Int32(RPA_EXPORTER_EVENT_BYTES))
    }

    deinit { rpa_ring_close(ring) }

    /// Readable when there are events; nil: the kernel refuses to map them.
    public var number: Int32? {
        if ring == nil { rpa_ring_open(map.number, &ring) }
        return ring.map { rpa_ring_number($0) }
    }

    /// The maximum number of events that `next` returns.
    public static let most = 512

    /// The events in the buffer, up to the limit.
    public func next() -> [Event] {
        guard number != nil else { return [] }
        return [rpa_exporter_event](unsafeUninitializedCapacity: Self.most) { buffer, count in
            count = Int(max(0, rpa_ring_read(ring, buffer.baseAddress, buffer.count)))
        }.map { raw in
            Event(
                address: IPAddress.v6(raw.high, raw.low).unmapped, slot: Self.slot(raw.slot),
                former: raw.former_slot == UInt16(RPA_NOT_NOTIFIED) ? .new : .notified(Self.slot(raw.former_slot)))
        }
    }

    private static func slot(_ number: UInt16) -> Slot? { number == UInt16(RPA_NO_SLOT) ? nil : Slot(number) }
}
