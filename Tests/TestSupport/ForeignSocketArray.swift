import CBPFShim
import SockArrayCore
import TelemetryLab

/// A sockarray that is no pool's: a socket in it can't be registered (EBUSY).
public final class ForeignSocketArray {
    private let map: Descriptor
    private static let size: UInt32 = 64
    private var count: UInt32 = 0

    public init() throws {
        let number = rpa_map_create(RPA_MAP_SOCKARRAY, "foreign", 8, Self.size, -1)
        guard number >= 0 else { throw LabError("bpf_map_create: errno \(-number)") }
        map = Descriptor(owning: number)
    }

    public func take(_ socket: InternetSocket) throws {
        var value = UInt64(socket.number)
        let result = rpa_map_update(map.number, count % Self.size, &value)
        guard result == 0 else { throw LabError("bpf_map_update_elem: errno \(-result)") }
        count += 1
    }
}
