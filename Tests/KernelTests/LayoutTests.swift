import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

/// The program builds keys and values of 64-bit words, in which the fields of the layout have
/// their places and their byte order.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct LayoutTests {
    /// Each byte is another one.
    private static let high: UInt64 = 0x2001_0db8_0304_0506
    private static let low: UInt64 = 0x0708_090a_0b0c_0e0f

    private static func bytes(_ fields: any BitwiseCopyable...) -> [UInt8] {
        fields.flatMap { field in withUnsafeBytes(of: field) { Array($0) } }
    }

    /// Now, in the unit of the events.
    private static var currentTick: UInt32 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let nanoseconds = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
        return UInt32(truncatingIfNeeded: nanoseconds >> UInt64(RPA_TRACKING_TICK_SHIFT))
    }

    @Test func `a session's key and value are the address, the port, the group and the slot, in this order`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2", "c3"], address: .v6(0, 0))
            let source = IPAddress.v6(Self.high, Self.low)
            let router = try InternetSocket(.tcp, bind: source, port: 0x3039)
            try router.connect(IPAddress("::1")!, PoolFixture.bmpPort)
            let owner = try #require(pool.takeAccepted().first { !$0.value.isEmpty }?.key)
            let sessions = Descriptor(owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/edge/sessions"))
            var (keys, values): (UnsafeMutablePointer<rpa_session>?, UnsafeMutablePointer<rpa_session_start>?)
            let count = rpa_session_all(sessions.number, &keys, &values)
            defer {
                free(keys)
                free(values)
            }
            try #require(count == 1)
            // The second group of the fixture.
            #expect(
                withUnsafeBytes(of: keys![0]) { Array($0) }
                    == Self.bytes(Self.high, Self.low, UInt32(0x3039), UInt32(1)))
            let slot = UInt32(owner.dropFirst())! - 1
            #expect(
                withUnsafeBytes(of: values![0]) { Array($0[8...]) } == Self.bytes(slot, UInt32(0)),
                "of \(owner)")
        }
    }

    @Test func `an event is the address, the time, the slot and the former slot, in this order`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2", "c3"], address: .v6(0, 0))
            let start = Self.currentTick
            try pool.send(from: .v6(Self.high, Self.low))
            let owner = try #require(pool.takeReceived().first { !$0.value.isEmpty }?.key)
            var ring: OpaquePointer?
            let events = Descriptor(owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/edge/exporter_events"))
            try #require(rpa_ring_open(events.number, &ring) == 0)
            defer { rpa_ring_close(ring) }
            var event = rpa_exporter_event()
            try #require(rpa_ring_read(ring, &event, 1) == 1)
            let end = Self.currentTick
            #expect((start...end).contains(event.seen), "\(start), \(event.seen), \(end)")
            let slot = UInt16(owner.dropFirst())! - 1
            #expect(
                withUnsafeBytes(of: event) { Array($0) }
                    == Self.bytes(Self.high, Self.low, event.seen, slot, UInt16(RPA_NOT_NOTIFIED)), "of \(owner)")
        }
    }
}
