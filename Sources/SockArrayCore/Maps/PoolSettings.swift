import CBPFShim
import PoolModel

/// The pool's settings (rpa_settings), word by word.
struct PoolSettings {
    private let words: MappedArray

    /// The words that every pool has.
    static let pin = "settings"

    init(in folder: PinFolder) throws(PoolError) {
        words = try MappedArray.pinned(Self.pin, in: folder, entries: 1, wordsPerEntry: Self.wordCount)
    }

    /// The layout version of settings whose size may be another one. Nil: the pin isn't a pool's settings.
    static func layoutVersion(in folder: PinFolder) -> UInt64? {
        guard let map = (try? folder.open(pin)) ?? nil else { return nil }
        // Larger than the settings of any version.
        var words = [UInt64](repeating: 0, count: 512)
        guard rpa_map_lookup(map.number, 0, &words) == 0, (1..<1_000).contains(words[0]) else { return nil }
        return words[0]
    }

    var map: Descriptor { _read { yield words.map } }

    private static let shapeStart = 9
    private static let shapeWords = 6
    private static let wordCount = shapeStart + Int(RPA_GENERATIONS) * shapeWords

    /// 0 until all of the pool has been made.
    var layoutVersion: UInt64 {
        get { words[0] }
        nonmutating set { words[0] = newValue }
    }

    /// Number of the generation, 0 before the first. Its lowest bit selects which of the
    /// two generations is in force: one store switches all groups to the other.
    var generation: UInt64 {
        get { words[1] }
        nonmutating set { words[1] = newValue }
    }

    /// How long the exporters of a vacant slot are held.
    func setHold(_ hold: Duration) {
        let (seconds, attoseconds) = hold.components
        let nanoseconds = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
        words[2] = nanoseconds >> UInt64(RPA_TICK_SHIFT)
    }

    /// An agent was killed while it wrote rows.
    var isWritingRows: Bool { words[3] & 1 == 1 }

    /// A number that changes whenever rows of the generation in force are written.
    var rowWrites: UInt64 { words[3] }

    /// Encloses each write to rows of the generation in force: the program discards what it
    /// cached of rows before, and caches nothing until the write has ended.
    func writingRows<Result>(_ write: () -> Result) -> Result {
        if !isWritingRows { words[3] &+= 1 }
        defer { words[3] &+= 1 }
        return write()
    }

    /// - Parameters:
    ///   - probe: source hash and source port of the probe in progress; 0: none.
    ///   - entry: whose socket the probe asks for.
    func setProbe(_ probe: UInt64, asking entry: SocketEntry) {
        words[7] = UInt64(entry.index)
        words[4] = probe
    }

    /// The minimum interval between two events of an exporter, and the silence after which it can be evicted.
    var sampling: Sampling {
        get { Sampling(word: words[5]) }
        nonmutating set {
            // First: from then on, who sends is noted in time.
            words[8] = StateTime.updateMask(period: newValue.updatePeriod)
            words[5] = newValue.word
        }
    }

    /// A random number that identifies the pool since it was made; 0: not set yet.
    var incarnation: UInt64 {
        get { words[6] }
        nonmutating set { words[6] = newValue }
    }

    /// The shape of the generation whose lowest bit is `parity`.
    subscript(shapeOf parity: Int) -> GenerationShape {
        get {
            let start = Self.shapeStart + parity * Self.shapeWords
            return GenerationShape(
                assignment: words[start], tableSize: words[start + 1], seedFingerprint: words[start + 2],
                exporterDigest: words[start + 3], rowCount: words[start + 4], trackedLimit: words[start + 5])
        }
        nonmutating set {
            let start = Self.shapeStart + parity * Self.shapeWords
            words[start] = newValue.assignment
            words[start + 1] = newValue.tableSize
            words[start + 2] = newValue.seedFingerprint
            words[start + 3] = newValue.exporterDigest
            words[start + 4] = newValue.rowCount
            words[start + 5] = newValue.trackedLimit
        }
    }
}

extension GenerationShape {
    /// Why a table that would move most exporters is rejected.
    func reshuffleFailure(from present: GenerationShape, isRunning: Bool, act: String) -> Failure {
        func name(_ code: UInt64) -> String { Assignment.allCases.first { $0.code == code }?.rawValue ?? "another one" }
        let change =
            if assignment != present.assignment {
                "its assignment is \(name(present.assignment)), the configuration says \(name(assignment))"
            } else if seedFingerprint != present.seedFingerprint {
                "the pool was made with another seed"
            } else {
                "its table has \(present.tableSize) rows, the configuration says \(tableSize)"
            }
        let reload = "reuseport-agent reload --reshuffle"
        return Failure(
            .conflict, act: act, cause: "\(change), and that moves most exporters to other collectors",
            remedy: isRunning
                ? "put the old value back, or, if they may move, run: \(reload)"
                : "put the old value back and start the agent; if they may move, change it then and run: \(reload)")
    }
}
