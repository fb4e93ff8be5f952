import TelemetryLab
import TestSupport

/// What a terminal would show of the few control sequences that `status --watch` uses; of
/// any other it says so.
struct ScreenPicture {
    private(set) var lines: [[Character]] = []
    private(set) var isOther = false
    private(set) var hasCursor = true
    private(set) var unknown: [String] = []
    /// Characters that were written beyond the last column or line.
    private(set) var outside = 0
    private(set) var hasColor = false
    /// A smaller size discards the rest.
    var size: (lines: Int, columns: Int) {
        didSet { lines = lines.prefix(size.lines).map { Array($0.prefix(size.columns)) } }
    }
    private var row = 0
    private var column = 0
    private var pending: [UInt8] = []

    init(lines: Int, columns: Int) { size = (lines, columns) }

    var text: String {
        lines.map { line in
            let text = String(line)
            return String(text.prefix(text.count - text.reversed().prefix { $0 == " " }.count))
        }.joined(separator: "\n")
    }

    mutating func take(_ bytes: [UInt8]) {
        pending += bytes
        // A sequence or a character may be cut at the end.
        let text = String(decoding: pending, as: UTF8.self)
        guard !text.hasSuffix("\u{fffd}") else { return }
        var rest = Array(text.unicodeScalars)[...]
        while let scalar = rest.first {
            if scalar == "\u{1b}" {
                guard let end = rest.dropFirst(2).firstIndex(where: { (0x40...0x7e).contains($0.value) }) else { break }
                obey(String(String.UnicodeScalarView(rest[(rest.startIndex + 1)...end])))
                rest = rest[(end + 1)...]
                continue
            }
            rest = rest.dropFirst()
            switch scalar {
            case "\r": column = 0
            case "\n": row += 1
            default: put(Character(scalar))
            }
        }
        pending = Array(String(String.UnicodeScalarView(rest)).utf8)
    }

    private mutating func put(_ character: Character) {
        if isOther, row >= size.lines || column >= size.columns { outside += 1 }
        while lines.count <= row { lines.append([]) }
        while lines[row].count <= column { lines[row].append(" ") }
        lines[row][column] = character
        column += 1
    }

    private mutating func obey(_ sequence: String) {
        switch sequence {
        case "[?1049h", "[?1049l":
            isOther = sequence.hasSuffix("h")
            lines = []
        case "[?25h", "[?25l": hasCursor = sequence.hasSuffix("h")
        case "[?7h", "[?7l": break
        case "[2J": (lines, outside) = ([], 0)
        case "[K": if row < lines.count, column < lines[row].count { lines[row].removeSubrange(column...) }
        case _ where sequence.hasSuffix("m"): if sequence != "[0m" { hasColor = true }
        case _ where sequence.hasSuffix("H"):
            let numbers = sequence.dropFirst().dropLast().split(separator: ";").compactMap { Int($0) }
            (row, column) = ((numbers.first ?? 1) - 1, (numbers.last ?? 1) - 1)
        default: unknown.append(sequence)
        }
    }
}

/// A process of the program on a terminal, and what the terminal shows.
final class WatchedScreen {
    let terminal: PseudoTerminal
    let process: ChildProcess
    private(set) var picture: ScreenPicture

    init(
        _ arguments: [String], in sandbox: Sandbox, lines: Int = 30, columns: Int = 100,
        environment: [String: String] = [:]
    ) throws {
        terminal = try PseudoTerminal(lines: lines, columns: columns)
        picture = ScreenPicture(lines: lines, columns: columns)
        process = try terminal.start(arguments, in: sandbox, environment: environment)
    }

    func resize(lines: Int, columns: Int) {
        look()
        picture.size = (lines, columns)
        terminal.resize(lines: lines, columns: columns)
    }

    func look() { picture.take(terminal.read()) }

    func shows(_ text: String, _ limit: Duration = .seconds(15)) -> Bool { shows(limit) { $0.contains(text) } }

    func shows(_ limit: Duration = .seconds(15), _ condition: (String) -> Bool) -> Bool {
        waitUntil(limit) {
            look()
            return condition(picture.text)
        }
    }

    /// The command has ended with that exit code and restored the terminal.
    func hasEnded(with code: Int32) -> Bool {
        let hasEnded = waitUntil(.seconds(15)) {
            look()
            return process.exitCode != nil
        }
        look()
        return hasEnded && process.exitCode == code && terminal.isCooked && !picture.isOther && picture.hasCursor
    }
}
