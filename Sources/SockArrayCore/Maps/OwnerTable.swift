import CBPFShim
import PoolModel

/// A second copy of the owners of a generation's rows. Most runs read nothing else, and it
/// takes an eighth of the rows' memory (map "owners" of sk_reuseport_layout.h).
struct OwnerTable {
    private let words: MappedArray

    private static let perWord = Int(RPA_OWNERS_PER_WORD)

    init(in folder: PinFolder, rowCount: Int) throws(PoolError) {
        words = try MappedArray.pinned(
            "owners", in: folder, entries: (rowCount + Self.perWord - 1) / Self.perWord, wordsPerEntry: 1)
    }

    var map: Descriptor { _read { yield words.map } }

    /// Call it only while the version of the pool's settings is odd, or for a generation that
    /// isn't in force: until then, programs read the row's word.
    func set(_ row: Int, _ owner: Slot?) {
        let (place, shift) = (row / Self.perWord, UInt64(row % Self.perWord * Int(RPA_OWNER_BITS)))
        let field = UInt64(1) << UInt64(RPA_OWNER_BITS) - 1
        let word = words[place]
        let value = min(owner.map { UInt64($0.index) } ?? UInt64(RPA_OWNER_IN_ROW), UInt64(RPA_OWNER_IN_ROW))
        let changed = word & ~(field << shift) | value << shift
        if changed != word { words[place] = changed }
    }
}
