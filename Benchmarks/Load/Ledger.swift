import Glibc

/// The counts of one collector, in memory that it shares with the benchmark. The collector writes; the
/// benchmark reads, and resets only while nothing is sent.
struct Ledger {
    /// The maximum numbers of latencies and of distinct sources.
    static let sampleLimit = 1 << 18
    static let sourceLimit = 1 << 20

    private static let wordCount = 8
    private static let samplesBegin = wordCount * 8 + sourceLimit / 8
    private static let length = samplesBegin + sampleLimit * 4

    private let memory: UnsafeMutableRawPointer

    /// - Parameter path: the path of the file, which is created if it is missing.
    init(path: String) throws {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0, ftruncate(file, off_t(Self.length)) == 0 else {
            throw BenchmarkError(description: "cannot make \(path): errno \(errno)")
        }
        defer { close(file) }
        let mapped = mmap(nil, Self.length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard let mapped, mapped != MAP_FAILED else { throw BenchmarkError(description: "mmap: errno \(errno)") }
        memory = mapped
    }

    private var words: UnsafeMutablePointer<UInt64> { memory.assumingMemoryBound(to: UInt64.self) }

    var messages: UInt64 { words[0] }
    var bytes: UInt64 { words[1] }
    var connections: UInt64 { words[2] }

    /// Nanoseconds from the sender's clock reading to the collector's.
    var latencies: UnsafeBufferPointer<UInt32> {
        let first = (memory + Self.samplesBegin).assumingMemoryBound(to: UInt32.self)
        return UnsafeBufferPointer(start: first, count: Int(words[3]))
    }

    /// A bit for each source.
    var sources: UnsafeBufferPointer<UInt64> {
        UnsafeBufferPointer(start: words + Self.wordCount, count: Self.sourceLimit / 64)
    }

    func setBack() { memset(memory, 0, Self.samplesBegin) }

    @inline(__always)
    func note(_ header: MessageHeader, length: Int, at now: UInt64) {
        let (count, latency) = (Int(words[3]), now &- header.sent)
        // Ignore data that a balancer kept from an earlier load.
        if count < Self.sampleLimit, latency < UInt64(UInt32.max) {
            let samples = (memory + Self.samplesBegin).assumingMemoryBound(to: UInt32.self)
            samples[count] = UInt32(latency)
            words[3] = UInt64(count + 1)
        }
        let source = Int(header.source) % Self.sourceLimit
        words[Self.wordCount + source / 64] |= 1 << UInt64(source % 64)
        words[1] &+= UInt64(length)
        words[0] &+= 1
    }

    func noteBytes(_ count: Int) { words[1] &+= UInt64(count) }
    func noteConnection() { words[2] &+= 1 }
}

/// The header of every message of the load. It is also a valid IPFIX message with one data set
/// (RFC 7011, sections 3.1 and 3.3), for a balancer that parses messages.
struct MessageHeader {
    static let length = 32

    var source: UInt32
    /// The time of sending, in nanoseconds of CLOCK_MONOTONIC.
    var sent: UInt64

    init(source: UInt32, sent: UInt64) {
        self.source = source
        self.sent = sent
    }

    @inline(__always)
    init(_ bytes: UnsafeRawPointer) {
        sent = bytes.loadUnaligned(fromByteOffset: 20, as: UInt64.self)
        source = bytes.loadUnaligned(fromByteOffset: 28, as: UInt32.self)
    }

    @inline(__always)
    func write(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: sent, toByteOffset: 20, as: UInt64.self)
        bytes.storeBytes(of: source, toByteOffset: 28, as: UInt32.self)
    }

    /// Writes the fields that are the same in all messages of a length.
    static func prepare(_ bytes: UnsafeMutableRawPointer, length: Int) {
        bytes.storeBytes(of: UInt16(10).bigEndian, toByteOffset: 0, as: UInt16.self)
        bytes.storeBytes(of: UInt16(length).bigEndian, toByteOffset: 2, as: UInt16.self)
        bytes.storeBytes(of: UInt16(256).bigEndian, toByteOffset: 16, as: UInt16.self)
        bytes.storeBytes(of: UInt16(length - 16).bigEndian, toByteOffset: 18, as: UInt16.self)
    }

    /// The length of a message in a stream, from its first bytes.
    static func messageLength(_ bytes: UnsafeRawPointer) -> Int {
        Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    }
}
