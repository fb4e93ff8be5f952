import CBPFShim
import PoolModel

/// A mmapable BPF array of 64-bit words, shared with the program. A store writes
/// one aligned word, and later runs read it whole.
final class MappedArray {
    let map: Descriptor
    private let words: UnsafeMutablePointer<UInt64>
    private let length: Int

    /// - Parameter wordCount: number of words in all entries together.
    init(map: consuming Descriptor, wordCount: Int) throws(KernelError) {
        var memory: UnsafeMutableRawPointer?
        length = wordCount * MemoryLayout<UInt64>.size
        try kernel("mmap of a BPF array", rpa_map_memory(map.number, length, &memory))
        words = memory!.assumingMemoryBound(to: UInt64.self)
        self.map = map
    }

    deinit { rpa_unmap(words, length) }

    subscript(index: Int) -> UInt64 {
        get { rpa_load(words + index) }
        set { rpa_store(words + index, newValue) }
    }

    /// Stores the value if the word still has the expected one.
    func replace(_ index: Int, expected: UInt64, with value: UInt64) -> Bool {
        rpa_replace(words + index, expected, value) != 0
    }
}

extension MappedArray {
    /// - Parameter wordsPerEntry: a value's size in 64-bit words.
    static func pinned(
        _ name: String, in folder: PinFolder, entries: Int, wordsPerEntry: Int
    ) throws(PoolError) -> MappedArray {
        let map = try folder.map(
            name, RPA_MAP_MMAPABLE_ARRAY, valueSize: 8 * wordsPerEntry, entries: Int32(entries))
        do {
            return try MappedArray(map: map, wordCount: entries * wordsPerEntry)
        } catch {
            throw .call(error)
        }
    }
}
