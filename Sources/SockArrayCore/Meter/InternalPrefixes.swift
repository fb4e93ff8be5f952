import CBPFShim
import PoolModel

/// The map "internal": networks whose traffic a meter counts separately.
enum InternalPrefixes {
    /// Adds new prefixes first, and then removes old ones.
    static func write(_ prefixes: [AddressPrefix], to map: borrowing Descriptor) throws(KernelError) {
        var keys = Set(prefixes.map { Key($0) })
        let desired = keys
        var (key, isFirst, present) = (rpa_prefix(), Int32(1), Set<Key>())
        while rpa_prefix_next(map.number, &key, &isFirst) == 0 { present.insert(Key(key)) }
        keys.subtract(present)
        for key in keys {
            var raw = key.raw
            try kernel("bpf_map_update_elem internal", rpa_prefix_add(map.number, &raw))
        }
        for key in present.subtracting(desired) {
            var raw = key.raw
            try kernel("bpf_map_delete_elem internal", rpa_prefix_remove(map.number, &raw))
        }
    }

    private struct Key: Hashable {
        let length: UInt32
        let address: [UInt8]

        init(_ prefix: AddressPrefix) {
            length = UInt32(prefix.length)
            address = [prefix.high, prefix.low].flatMap { word in
                stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
            }
        }

        init(_ raw: rpa_prefix) {
            length = raw.length
            address = withUnsafeBytes(of: raw.address) { Array($0) }
        }

        var raw: rpa_prefix {
            var raw = rpa_prefix()
            raw.length = length
            withUnsafeMutableBytes(of: &raw.address) { $0.copyBytes(from: address) }
            return raw
        }
    }
}
