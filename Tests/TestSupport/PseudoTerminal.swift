import CTestShim
import Glibc
import TelemetryLab

/// A terminal for a process under test. The test reads the process's output and types its input.
public final class PseudoTerminal {
    /// The process's end, for its descriptors 0 and 1.
    public let inner: Int32
    private let outer: Int32
    private var isOpen = true
    /// Everything that the process wrote until now.
    public private(set) var output: [UInt8] = []

    public init(lines: Int, columns: Int) throws {
        var inner: Int32 = -1
        outer = lab_pseudo_terminal(&inner)
        guard outer >= 0 else { throw LabError("no pseudo-terminal: errno \(-outer)") }
        self.inner = inner
        resize(lines: lines, columns: columns)
    }

    deinit {
        hangUp()
        close(inner)
    }

    /// Hangs up, as a closed window does.
    public func hangUp() {
        if isOpen { close(outer) }
        isOpen = false
    }

    /// Resizes the terminal; the process gets SIGWINCH.
    public func resize(lines: Int, columns: Int) {
        precondition(lab_set_window_size(outer, UInt16(lines), UInt16(columns)) == 0)
    }

    public func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(outer, bytes, bytes.count)
    }

    /// Reads what the process wrote.
    @discardableResult
    public func read() -> [UInt8] {
        var part = [UInt8](repeating: 0, count: 65_536)
        var new: [UInt8] = []
        while isOpen {
            let count = Glibc.read(outer, &part, part.count)
            guard count > 0 else { break }
            new += part[..<count]
        }
        output += new
        return new
    }

    /// Whether lines are edited and keys echoed, as a shell leaves it.
    public var isCooked: Bool {
        var settings = termios()
        tcgetattr(inner, &settings)
        return settings.c_lflag & tcflag_t(ICANON | ECHO) == tcflag_t(ICANON | ECHO)
    }

    /// Runs a program with this as its controlling terminal; standard error goes to a file.
    public func start(
        _ arguments: [String], in sandbox: Sandbox, environment: [String: String] = [:]
    ) throws -> ChildProcess {
        try ChildProcess(
            ["setsid", "--ctty"] + arguments, in: sandbox,
            environment: ["TERM": "xterm", "NO_COLOR": ""].merging(environment) { $1 },
            descriptors: [0: inner, 1: inner])
    }
}
