import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab

/// What one test process got or did, in a file that it shares as memory. A
/// datagram is received into it: what SIGKILL finds received is written.
///
/// The file: words of 8 bytes, some that the test sets and some that the process
/// does, then entries in the order of time.
final class Ledger {
    enum Word: Int {
        /// The process's pid, as the sandbox knows it.
        case pid
        /// When its last socket was bound, or sending began. 0: not yet.
        case start
        /// Sessions that are up.
        case sessions
        /// Datagrams sent or received.
        case total
        /// Set by the test: the exporters are to end.
        case stop
        /// Set by the test: sessions that the exporters end each second.
        case endings
        /// The longest round of the exporters' loop, in nanoseconds, since the test set it to 0.
        case stall
        /// When the collector last closed its sockets to bind them anew.
        case closed
        /// Datagrams that came to sockets which the collector was closing, and that it has not read.
        case unread
        /// Set by the test, before SIGUSR1 and before the start: UDP sockets that the collector has, and twice the
        /// number of its listeners. 0: one of each.
        case workers
    }

    static let exporterLimit = 1_000
    private static let fixedWords = 64
    private static let headSize = 8 * (fixedWords + exporterLimit)

    private let memory: UnsafeMutableRawPointer
    private let size: Int
    /// Most entries that it takes.
    let capacity: Int

    /// - Parameter capacity: entries that a new file has room for; nil: it is there.
    init(_ path: String, creating capacity: Int? = nil) throws {
        let number = open(path, O_RDWR | O_CLOEXEC | (capacity == nil ? 0 : O_CREAT | O_EXCL), 0o666)
        guard number >= 0 else { throw LabError("open \(path): errno \(errno)") }
        let file = Descriptor(owning: number)
        if let capacity {
            fchmod(file.number, 0o666)
            guard ftruncate(file.number, Self.headSize + LedgerEntry.size * capacity) == 0 else {
                throw LabError("ftruncate \(path): errno \(errno)")
            }
        }
        var facts = stat()
        fstat(file.number, &facts)
        size = Int(facts.st_size)
        self.capacity = (size - Self.headSize) / LedgerEntry.size
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0), memory != MAP_FAILED
        else { throw LabError("mmap \(path): errno \(errno)") }
        self.memory = memory
    }

    deinit { munmap(memory, size) }

    subscript(word: Word) -> UInt64 {
        get { load(word.rawValue) }
        set { store(word.rawValue, newValue) }
    }

    /// Datagrams of one exporter.
    subscript(countOf exporter: Int) -> UInt64 {
        get { load(Self.fixedWords + exporter) }
        set { store(Self.fixedWords + exporter, newValue) }
    }

    /// The address of an entry, for a system call that writes the entry's first bytes.
    func place(of index: Int) throws -> UnsafeMutablePointer<LedgerEntry> {
        guard index < capacity else { throw LabError("the ledger is full: \(capacity) entries") }
        return (memory + Self.headSize + index * LedgerEntry.size).assumingMemoryBound(to: LedgerEntry.self)
    }

    /// All that is written. Complete once the process has ended.
    func entries() -> UnsafeBufferPointer<LedgerEntry> {
        let first = (memory + Self.headSize).assumingMemoryBound(to: LedgerEntry.self)
        var (low, high) = (0, capacity)
        while low < high {
            let middle = (low + high) / 2
            if first[middle].kind == 0 { high = middle } else { low = middle + 1 }
        }
        return UnsafeBufferPointer(start: first, count: low)
    }

    private func word(_ index: Int) -> UnsafeMutablePointer<UInt64> {
        (memory + 8 * index).assumingMemoryBound(to: UInt64.self)
    }

    private func load(_ index: Int) -> UInt64 { rpa_load(word(index)) }

    private func store(_ index: Int, _ value: UInt64) { rpa_store(word(index), value) }
}
