import CBPFShim
import Glibc
import Logging

/// Where records go. It never waits: what a reader doesn't take is kept, up to a bound,
/// and beyond it is lost and counted.
struct LogOutput: ~Copyable {
    /// Bytes that wait for the reader at most.
    static let limit = 262_144

    private let format: LogFormat
    private let isPainted: Bool
    /// With flags of its own, where it could be opened again.
    private let stream: Int32
    private let isTerminal: Bool
    private let journal: Int32
    /// Records that wait, the first perhaps written in part.
    private var waiting: [ArraySlice<UInt8>] = []
    private var waitingBytes = 0
    private(set) var lost = 0

    init(format: LogFormat) {
        self.format = format
        isTerminal = isatty(STDERR_FILENO) == 1
        isPainted = ColorChoice.auto.paints(isTerminal: isTerminal)
        var facts = stat()
        let kind = fstat(STDERR_FILENO, &facts) == 0 ? facts.st_mode & S_IFMT : 0
        // A file's position is in its flags' company: two would write over each other.
        let again = kind == S_IFIFO || kind == S_IFCHR ? rpa_open_again(STDERR_FILENO) : -EINVAL
        stream = again >= 0 ? again : STDERR_FILENO
        journal = format == .journald ? rpa_datagram_socket() : -EINVAL
    }

    deinit {
        if stream != STDERR_FILENO { close(stream) }
        if journal >= 0 { close(journal) }
    }

    var isWaiting: Bool { !waiting.isEmpty }

    /// The descriptor for which poll(2) reports room. Nil for journald's socket: write again a little later.
    var polled: Int32? { isWaiting && format != .journald ? stream : nil }
    var needsRetry: Bool { isWaiting && format == .journald }

    mutating func write(_ record: LogRecord) {
        let bytes = bytes(of: record)
        guard waitingBytes + bytes.count <= Self.limit else {
            lost += 1
            return
        }
        waiting.append(bytes[...])
        waitingBytes += bytes.count
        proceed()
    }

    /// As far as it goes without waiting.
    mutating func proceed() {
        var done = 0
        while done < waiting.count {
            let part = waiting[done]
            let written = send(part)
            if written == -Int(EAGAIN) || written == -Int(EINTR) { break }
            // Nobody will ever read it: the stream is closed, or its disk is full.
            if written < 0 { lost += 1 }
            waitingBytes -= written < 0 ? part.count : written
            if written < 0 || written >= part.count {
                done += 1
            } else {
                waiting[done] = part.dropFirst(written)
            }
        }
        waiting.removeFirst(done)
    }

    /// Writes how many records were lost since the last such record.
    mutating func writeLosses(_ record: (Int) -> LogRecord) {
        let count = lost
        guard count > 0, !isWaiting else { return }
        lost = 0
        write(record(count))
        // This record was lost, too: the next one has the whole number.
        if lost > 0 { lost = count }
    }

    private func bytes(of record: LogRecord) -> [UInt8] {
        switch format {
        case .human:
            Array(LogText.human(record, time: clock(record.time), isPainted: isPainted).utf8)
        case .json: Array(LogText.json(record).utf8)
        case .journald where journal >= 0 && access(JournalMessage.path, F_OK) == 0:
            JournalMessage.bytes(record, identifier: "reuseport-agent")
        case .journald: Array(LogText.prefixed(record).utf8)
        }
    }

    /// - Returns: bytes written, or -errno.
    private func send(_ part: ArraySlice<UInt8>) -> Int {
        part.withUnsafeBytes { bytes in
            guard format == .journald, bytes.first != UInt8(ascii: "<") else {
                return rpa_write_now(stream, bytes.baseAddress, bytes.count)
            }
            let result = rpa_send_datagram(journal, JournalMessage.path, bytes.baseAddress, bytes.count)
            return result < 0 ? Int(result) : bytes.count
        }
    }

    /// Local time; with the date where it may be read another day.
    private func clock(_ time: LogTime) -> String {
        TimeText.local(Int(time.seconds), isTerminal ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S")
    }
}
