import CBPFShim
import SockArrayCore
import TelemetryLab
import Testing

/// All values of a map at once.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct MapLookupTests {
    private static func map(_ kind: rpa_map_kind, _ valueSize: Int, entries: Int) throws -> Descriptor {
        let number = rpa_map_create(kind, "trial", UInt32(valueSize), UInt32(entries), -1)
        guard number >= 0 else { throw LabError("bpf_map_create: errno \(-number)") }
        return Descriptor(owning: number)
    }

    @Test func `a batch lookup of an array or a per-CPU array equals single lookups`() throws {
        let cpus = Int(rpa_possible_cpus())
        for (kind, words) in [(RPA_MAP_ARRAY, 5), (RPA_MAP_PERCPU_ARRAY, 3)] {
            let map = try Self.map(kind, 8 * words, entries: 256)
            let count = words * (kind == RPA_MAP_PERCPU_ARRAY ? cpus : 1)
            var expected: [UInt64] = []
            for index in 0..<256 {
                let value = (0..<count).map { UInt64(1_000 * index + $0 + 1) }
                #expect(rpa_map_update(map.number, UInt32(index), value) == 0)
                expected += value
            }
            var all = [UInt64](repeating: 0, count: 256 * count)
            #expect(rpa_map_lookup_all(map.number, 256, 8 * count, &all) == 0)
            #expect(all == expected)
        }
    }

    @Test func `a map without batch lookup is read one key at a time, and a gap is reported`() async throws {
        try await Sandbox.run { _ in
            let map = try Self.map(RPA_MAP_SOCKARRAY, 8, entries: 2)
            let sockets = try (0..<2).map { _ in
                try InternetSocket.collector(.udp, .v4(0), port: 4_739)
            }
            var cookies: [UInt64] = [0, 0]
            for (index, socket) in sockets.enumerated() {
                #expect(rpa_map_lookup_all(map.number, 2, 8, &cookies) == -2, "ENOENT")
                var number = UInt64(socket.number)
                #expect(rpa_map_update(map.number, UInt32(index), &number) == 0)
            }
            #expect(rpa_map_lookup_all(map.number, 2, 8, &cookies) == 0)
            for (index, cookie) in cookies.enumerated() {
                var single: UInt64 = 0
                #expect(rpa_map_lookup(map.number, UInt32(index), &single) == 0)
                #expect(single == cookie && cookie != 0)
            }
            #expect(cookies[0] != cookies[1])
        }
    }
}
