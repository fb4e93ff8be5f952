import CBPFShim
import Glibc
import PoolModel

extension IPAddress {
    typealias Bytes = (
        UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8
    )

    /// The shim's form: an IPv4 address is in the first four bytes.
    init<Family: BinaryInteger>(family: Family, bytes: Bytes) {
        let (high, low) = withUnsafeBytes(of: bytes) { raw in
            (
                UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        self = Int32(family) == AF_INET ? .v4(UInt32(high >> 32)) : .v6(high, low)
    }

    package func endpoint(port: UInt16) -> rpa_endpoint {
        let (family, bytes) = familyAndBytes
        return rpa_endpoint(family: Int32(family), port: port, address: bytes)
    }

    /// Makes an address from its family and bytes; an IPv4 address is in the first four.
    var familyAndBytes: (family: UInt8, bytes: Bytes) {
        var bytes: Bytes = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        let words: (high: UInt64, low: UInt64) =
            switch self {
            case .v4(let word): (UInt64(word) << 32, 0)
            case .v6(let high, let low): (high, low)
            }
        withUnsafeMutableBytes(of: &bytes) { raw in
            raw.storeBytes(of: words.high.bigEndian, as: UInt64.self)
            raw.storeBytes(of: words.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        if case .v4 = self { return (UInt8(AF_INET), bytes) }
        return (UInt8(AF_INET6), bytes)
    }
}
