import Logging
import Testing

@testable import AgentCore
@testable import PoolModel
@testable import PoolReport

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct LogTextTests {
    private static func record(
        _ message: String, _ fields: [(String, String)] = [], level: Logger.Level = .warning
    ) -> LogRecord {
        LogRecord(
            time: LogTime(seconds: 1_795_280_566, milliseconds: 7), level: level, message: message, pool: "edge",
            fields: fields.map { LogRecord.Field(name: $0.0, value: $0.1) })
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.007Z"), (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"), (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_795_280_566, "2026-11-21T17:02:46.007Z"), (4_107_542_400, "2100-03-01T00:00:00.007Z"),
            (-1, "1969-12-31T23:59:59.007Z"), (253_402_300_799, "9999-12-31T23:59:59.007Z"),
        ] as [(Int64, String)])
    func `times are RFC 3339, over leap days, centuries and the epoch`(seconds: Int64, text: String) {
        #expect(LogTime(seconds: seconds, milliseconds: 7).utc == text)
    }

    @Test func `times of random days equal Foundation's`() {
        for _ in 0..<10_000 {
            let seconds = Int64.random(in: -2_000_000_000...20_000_000_000)
            let date = Date(timeIntervalSince1970: Double(seconds))
            let text = LogTime(seconds: seconds, milliseconds: 0).utc
            #expect(text == date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)), "\(seconds)")
        }
    }

    @Test func `JSON has one object a line, metadata as fields, and reserved names kept apart`() throws {
        let line = LogText.json(Self.record("c1 \"has\" ended", [("pid", "812"), ("level", "x"), ("a b\n", "\u{1}")]))
        #expect(
            line == #"{"time":"2026-11-21T17:02:46.007Z","level":"warning","message":"c1 \"has\" ended","#
                + #""pool":"edge","pid":"812","field_level":"x","a b\n":"\u0001"}"# + "\n")
    }

    @Test func `JSON is valid, on one line and reversible for messages of random bytes`() throws {
        for _ in 0..<10_000 {
            let bytes = (0..<Int.random(in: 0...60)).map { _ in
                Bool.random() ? UInt8.random(in: 0...255) : UInt8.random(in: 0...0x22)
            }
            let message = String(decoding: bytes, as: UTF8.self)
            let line = LogText.json(Self.record(message, [(message, message)]))
            #expect(line.utf8.filter { $0 == 10 }.count == 1 && line.hasSuffix("}\n"))
            let object = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
            #expect(Array((object["message"] ?? "-").utf8) == Array(message.utf8))
        }
    }

    @Test func `the human format has time, level, message and fields, and no control sequence`() {
        let record = Self.record("c1 has\u{1b}[2J ended\nso", [("pid", "812"), ("path", "/a b")])
        #expect(
            LogText.human(record, time: "17:02:46", isPainted: false)
                == "17:02:46 warning c1 has?[2J ended?so  path=\"/a b\" pid=812\n".replacing(
                    "path=\"/a b\" pid=812", with: "pid=812 path=\"/a b\""))
        let painted = LogText.human(record, time: "17:02:46", isPainted: true)
        #expect(painted.contains("\u{1b}[33mwarning \u{1b}[0m") && !painted.contains("\u{1b}[2J"))
        #expect(LogText.prefixed(record) == "<4>c1 has?[2J ended?so pid=812 path=\"/a b\"\n")
    }

    @Test func `journald gets fields by name, multi-line values by length, and reserved names kept apart`() {
        let record = Self.record(
            "a\nb", [("user-id", "7"), ("pool", "x"), ("_hidden", "1"), ("", "e")], level: .notice)
        let expected =
            "PRIORITY=5\nSYSLOG_IDENTIFIER=reuseport-agent\nMESSAGE\n\u{3}\0\0\0\0\0\0\0a\nb\nPOOL=edge\nUSER_ID=7\n"
            + "FIELD_POOL=x\nHIDDEN=1\nFIELD=e\n"
        #expect(JournalMessage.bytes(record, identifier: "reuseport-agent") == Array(expected.utf8))
        let long = JournalMessage.bytes(Self.record(String(repeating: "x", count: 1_000_000)), identifier: "a")
        #expect(long.count < 33_000)
    }

    @Test func `levels are those of syslog`() {
        let levels: [Logger.Level] = [.trace, .debug, .info, .notice, .warning, .error, .critical]
        #expect(levels.map(\.priority) == [7, 7, 6, 5, 4, 3, 2])
        #expect(LogLevel.allCases.map(\.level) == Array(levels.dropLast()))
    }

    @Test func `the format is human on a terminal, journald if JOURNAL_STREAM is stderr, else JSON`() {
        func format(_ isTerminal: Bool, _ stream: String?) -> LogFormat {
            .fitting(isTerminal: isTerminal, journalStream: stream, file: (8, 4_711))
        }
        #expect(format(true, "8:4711") == .human)
        #expect(format(false, "8:4711") == .journald)
        for stream in ["8:471", "9:4711", "", "8:4711:", nil] { #expect(format(false, stream) == .json) }
        #expect(LogFormat.fitting(isTerminal: false, journalStream: ":", file: nil) == .json)
    }
}

@Suite struct RepeatedMessagesTests {
    private let start = ContinuousClock.now

    private static func record(_ message: String, key: String? = nil, level: Logger.Level = .warning) -> LogRecord {
        LogRecord(time: LogTime(seconds: 0, milliseconds: 0), level: level, message: message, key: key)
    }

    @Test func `a repeated message is written once, then counted each minute, and forgotten after silence`() {
        var repeated = RepeatedMessages()
        #expect(repeated.take(Self.record("a"), now: start).map(\.message) == ["a"])
        for index in 1...41 { #expect(repeated.take(Self.record("a"), now: start + .seconds(index)) == []) }
        #expect(repeated.nextDeadline == start + .seconds(60))
        #expect(repeated.due(now: start + .seconds(60) - .nanoseconds(1)) == [])
        #expect(repeated.due(now: start + .seconds(60)).map(\.message) == ["a (repeated 41 times in 60 s)"])
        #expect(repeated.take(Self.record("a"), now: start + .seconds(61)) == [])
        #expect(repeated.due(now: start + .seconds(120)).map(\.message) == ["a (repeated once in 60 s)"])
        #expect(repeated.due(now: start + .seconds(180)) == [])
        #expect(repeated.nextDeadline == nil)
        #expect(repeated.take(Self.record("a"), now: start + .seconds(181)).map(\.message) == ["a"])
    }

    @Test func `another level, collector or text makes another message; another process doesn't`() {
        var repeated = RepeatedMessages()
        func ended(_ collector: String, _ process: Int, level: Logger.Level = .warning) -> LogRecord {
            Self.record("\(collector) has ended (process \(process)): x", key: "\(collector) ended", level: level)
        }
        for record in [ended("c1", 8), ended("c2", 8), Self.record("c1 has ended"), ended("c1", 8, level: .error)] {
            #expect(repeated.take(record, now: start).count == 1)
        }
        #expect(repeated.take(ended("c1", 977), now: start + .nanoseconds(1)) == [])
        #expect(repeated.take(Self.record("c1 has ended (process 977): x"), now: start + .nanoseconds(1)).count == 1)
        #expect(
            repeated.end(now: start + .seconds(9)).map(\.message) == [
                "c1 has ended (process 977): x (repeated once in 9 s)"
            ])
        #expect(repeated.end(now: start + .seconds(9)) == [] && repeated.nextDeadline == nil)
    }

    @Test func `another duration leaves the message the same; another number makes it another one`() throws {
        var repeated = RepeatedMessages()
        /// The message of an event that says how long something took.
        func isTold(_ kind: PoolEvent.Kind, _ text: String, rows: Int, of name: String = "c1") throws -> Bool {
            var table = TableStatus(
                pool: "edge", assignment: "rendezvous", tableSize: 9, restartHold: 10,
                collectors: [.init(name: name, slot: 0, standing: .usable)], hasAffinity: true, SlotAvailability()
            ) { _ in (BucketRow(ranks: []), nil) }
            (table.collectors[0].owned, table.collectors[0].served) = (rows, rows)
            let entry = PoolHistory.Entry(kind: kind, collector: name, text: text, hasRegistered: kind != .held)
            let message = try #require(entry.message(of: .init(name: name), table))
            return !repeated.take(Self.record(message.text, key: "\(name) \(message.key)"), now: start).isEmpty
        }
        #expect(try isTold(.returned, "c1 is back after 0 s: its exporters return", rows: 7))
        #expect(try !isTold(.returned, "c1 is back after 1.2 s: its exporters return", rows: 7))
        #expect(try isTold(.returned, "c1 is back after 0 s: its exporters return", rows: 8))
        #expect(try isTold(.held, "c1 never registered: its exporters' traffic is dropped for up to 9.8 s", rows: 3))
        #expect(try !isTold(.held, "c1 never registered: its exporters' traffic is dropped for up to 10 s", rows: 3))
        #expect(try isTold(.held, "c1 never registered: its exporters' traffic is dropped for up to 10 s", rows: 4))
        #expect(try isTold(.returned, "c2 is back after 0 s: its exporters return", rows: 7, of: "c2"))
    }

    @Test func `refusals that differ in the process are repetitions; another collector, errno or remedy isn't`() {
        func key(_ act: String, pid: Int, errno: Int32? = nil, remedy: String = "start it") -> String {
            Failure(.unfitSocket, act: act, cause: "there is no process \(pid)", errno: errno, remedy: remedy).key
        }
        #expect(key("register c1", pid: 7) == key("register c1", pid: 8))
        let keys = [
            key("register c1", pid: 7), key("register c2", pid: 7), key("register c1", pid: 7, errno: 3),
            key("register c1", pid: 7, remedy: "wait"),
        ]
        #expect(Set(keys).count == 4)
    }

    @Test func `a message's key is compared together with its collector, and is not a field of the record`() {
        let log = AgentLog(format: .json, level: .notice, pool: nil)
        var handler = AgentLogHandler(log: log, logLevel: .notice)
        (handler[metadataKey: "collector"], handler[metadataKey: "pid"]) = ("c1", "8")
        handler[metadataKey: AgentLogHandler.keyName] = "ended"
        let (fields, key) = AgentLogHandler.fields(of: handler.metadata)
        #expect(fields.map(\.name) == ["collector", "pid"] && key == "c1 ended")
        #expect(AgentLogHandler.fields(of: [:]).key == nil)
    }

    @Test func `a due sum comes before a new message, and at most 256 messages are remembered`() {
        var repeated = RepeatedMessages()
        _ = repeated.take(Self.record("a"), now: start)
        _ = repeated.take(Self.record("a"), now: start + .nanoseconds(1))
        let records = repeated.take(Self.record("b"), now: start + .seconds(60))
        #expect(records.map(\.message) == ["a (repeated once in 60 s)", "b"])
        var written = 0
        for index in 0..<10_000 {
            written += repeated.take(Self.record("m\(index)"), now: start + .seconds(61) + .nanoseconds(index)).count
        }
        #expect(written == 10_000)
        #expect(repeated.take(Self.record("m9999"), now: start + .seconds(61)).isEmpty)
        #expect(repeated.take(Self.record("m9743"), now: start + .seconds(61)).count == 1)
        #expect(repeated.end(now: start + .seconds(62)).map(\.message) == ["m9999 (repeated once in 1 s)"])
    }

    @Test func `records and sums account for each of 20,000 random messages`() {
        var repeated = RepeatedMessages()
        var told = 0
        var now = start
        func count(_ records: [LogRecord]) {
            for record in records {
                let times = record.message.firstRange(of: "(repeated ").map { record.message[$0.upperBound...] }
                told += times.map { $0.hasPrefix("once") ? 1 : Int($0.prefix { $0.isNumber })! } ?? 1
            }
        }
        for _ in 0..<20_000 {
            now += .nanoseconds(.random(in: 0...500_000_000))
            count(repeated.take(Self.record("m\(Int.random(in: 0..<400))"), now: now))
        }
        count(repeated.end(now: now))
        #expect(told == 20_000)
    }
}
