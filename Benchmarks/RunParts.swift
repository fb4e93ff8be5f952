import ArgumentParser
import Foundation
import Glibc
import SockArrayCore

struct RunParts: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Measure the named parts, or all, and write RESULTS.md.",
        discussion:
            "Parts: \(names). Needs root, for namespaces, an otherwise idle machine, and some 40 minutes for all "
            + "of them. Set-up is done by make bench.")

    private static var names: String { Parts.all.map { $0.name }.joined(separator: ", ") }

    @OptionGroup var options: BenchOptions

    @Option(help: "Directory of RESULTS.md and results.", completion: .directory)
    var output = "Benchmarks"

    @Argument(help: "Parts to measure; all if none is named.")
    var parts: [String] = []

    func validate() throws {
        for part in parts where !Parts.all.contains(where: { $0.name == part }) {
            throw ValidationError("there is no part \(part); the parts: \(Self.names)")
        }
        guard access(output, W_OK) == 0 else {
            throw ValidationError(
                "--output \(output): \(String(cString: strerror(errno))); name a folder that is there")
        }
    }

    func run() throws {
        // Namespaces have another working directory.
        var options = options
        options.agent = try Self.absolute(options.agent)
        let file = ResultsFile(folder: try Self.absolute(output))
        var isMeasured = false
        for part in Parts.all where parts.isEmpty || parts.contains(part.name) {
            print("\(part.title) (\(part.name))")
            var results = Results(
                part: part.name, date: Self.today, machine: Machine(packages: part.packages))
            do {
                try part.init(options).measure(into: &results) { Progress.tell($0) }
            } catch {
                Progress.end()
                FileHandle.standardError.write(Data("reuseport-bench: \(part.name): \(error)\n".utf8))
                throw ExitCode(1)
            }
            Progress.end()
            isMeasured = isMeasured || !results.measurements.isEmpty
            if !options.isPartial { try file.write(results) }
            print(part.tables.map { $0.markdown(results) }.joined(separator: "\n"))
        }
        guard isMeasured else {
            throw ValidationError("no workload or subject of the selected parts has that name; see RESULTS.md")
        }
    }
}

extension RunParts {
    fileprivate static func absolute(_ path: String) throws -> String {
        guard let absolute = realpath(path, nil) else { throw ValidationError("there is no \(path)") }
        defer { free(absolute) }
        return String(cString: absolute)
    }

    fileprivate static var today: String { Date().formatted(.iso8601.year().month().day()) }
}

/// Progress on a terminal.
enum Progress {
    private static let isTerminal = isatty(STDOUT_FILENO) == 1

    static func tell(_ text: String) { if isTerminal { write("\r\u{1b}[K\(text)") } }
    static func end() { tell("") }

    /// Past print's buffer.
    private static func write(_ text: String) { _ = Glibc.write(STDOUT_FILENO, text, text.utf8.count) }
}
