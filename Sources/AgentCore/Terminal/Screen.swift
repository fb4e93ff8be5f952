import CBPFShim
import Glibc
import SockArrayCore

/// A terminal taken over for frames: its other screen, no cursor, keys one by one. It is
/// given back as it was when this ends, and by `rpa_terminal_enter` if a fault ends the
/// process.
final class Screen {
    private static let enterText = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J"
    /// Read also when a fault ends the process.
    private let leaveText: UnsafeMutablePointer<CChar> = strdup("\u{1b}[0m\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
    /// With flags of its own, if it may be opened again.
    private let output: Int32
    private let isPainted: Bool
    private var shown: [String] = []
    private var size: TerminalFacts.Size?
    /// What the terminal did not take yet (Ctrl-S).
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

    /// Writes what has changed since the frame before, at once; nothing while the
    /// terminal doesn't take even that.
    ///
    /// - Throws: `ReaderGone`: the terminal is gone.
    func show(_ lines: [Line], _ size: TerminalFacts.Size) throws {
        guard waiting.isEmpty else { return try proceed() }
        var text = ""
        // What a resized terminal has kept of the old frame, it alone knows.
        if size != self.size {
            text += "\u{1b}[2J"
            shown = []
        }
        for index in 0..<max(lines.count, shown.count) {
            let line = index < lines.count ? lines[index].text(painted: isPainted) : ""
            guard index >= shown.count || shown[index] != line else { continue }
            // Of a full line the cursor is still on the last cell: nothing is left to erase.
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
