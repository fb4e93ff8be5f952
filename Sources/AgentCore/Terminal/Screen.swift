import CBPFShim
import Glibc
import PoolModel

/// A terminal in full-screen mode: alternate screen, no cursor, single keys. The terminal is restored when
/// this object ends, and by a handler of `rpa_terminal_enter` if a fault ends the process.
final class Screen {
    private static let enterText = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J"
    /// The handler reads it when a fault ends the process.
    private let leaveText: UnsafeMutablePointer<CChar> = strdup("\u{1b}[0m\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
    /// The terminal, opened again for flags of its own if that is allowed.
    private let output: Int32
    private let isPainted: Bool
    private var shown: [String] = []
    private var size: TerminalFacts.Size?
    /// Bytes that the terminal hasn't taken yet (Ctrl-S).
    private var waiting: ArraySlice<UInt8> = []

    init(painted: Bool) throws(Failure) {
        isPainted = painted
        let again = rpa_open_again(STDOUT_FILENO)
        output = again >= 0 ? again : STDOUT_FILENO
        try enter()
    }

    deinit {
        leave()
        free(leaveText)
        if output != STDOUT_FILENO { close(output) }
    }

    func enter() throws(Failure) {
        let result = rpa_terminal_enter(output, Self.enterText, leaveText)
        guard result >= 0 else {
            throw Failure(
                .output, act: "watch the status", cause: "the terminal can't be set up", errno: -result,
                remedy: "send it to a pipe: reuseport-agent status --watch | cat")
        }
        (shown, size, waiting) = ([], nil, [])
    }

    func leave() { rpa_terminal_leave() }

    var needsRoom: Int32? { waiting.isEmpty ? nil : output }

    /// Writes the lines that changed since the previous frame, in one write. Skips the frame while the
    /// terminal hasn't taken the previous one.
    ///
    /// - Throws: `ReaderGone` if the terminal is gone.
    func show(_ lines: [Line], _ size: TerminalFacts.Size) throws {
        guard waiting.isEmpty else { return try proceed() }
        var text = ""
        // How much of the old frame a resized terminal keeps is unknown.
        if size != self.size {
            text += "\u{1b}[2J"
            shown = []
        }
        for index in 0..<max(lines.count, shown.count) {
            let line = index < lines.count ? lines[index].text(painted: isPainted) : ""
            guard index >= shown.count || shown[index] != line else { continue }
            // After a full line, the cursor is on the last cell: erasing would remove that cell.
            let isFull = index < lines.count && lines[index].width >= size.columns
            text += "\u{1b}[\(index + 1);1H" + line + (isFull ? "" : "\u{1b}[K")
        }
        shown = lines.map { $0.text(painted: isPainted) }
        self.size = size
        waiting = Array(text.utf8)[...]
        try proceed()
    }

    func proceed() throws {
        while !waiting.isEmpty {
            let written = waiting.withUnsafeBytes { rpa_write_now(output, $0.baseAddress, $0.count) }
            if written == -Int(EAGAIN) || written == -Int(EINTR) { return }
            guard written > 0 else { throw ReaderGone() }
            waiting = waiting.dropFirst(written)
        }
    }
}
