import Glibc
import PoolModel
import TelemetryLab
import Testing

/// How many instructions building a table takes (valgrind --tool=callgrind).
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces")) struct TableBudgetTests {
    private static let valgrind = "/usr/bin/valgrind"
    /// In CI it has to be.
    static var isInstalled: Bool {
        access(valgrind, X_OK) == 0 || getenv("CI").map { String(cString: $0) } == "true"
    }
    private static let package = #filePath.split(separator: "/").dropLast(4).reduce("") { $0 + "/" + $1 }

    @Test(.enabled(if: isInstalled, "needs valgrind"))
    func `a table of 8 collectors is built within its budget of instructions`() async throws {
        try await Sandbox.run { sandbox in
            let program = try Self.compiled(in: sandbox)
            let nothing = try Self.instructions(of: [program], in: sandbox)
            for (name, budget) in InstructionBudgets.tables {
                let count = try Self.instructions(of: [program, name], in: sandbox) - nothing
                print("\(name): \(count) instructions, budget \(budget)")
                #expect(count <= budget, "\(name) takes \(count) instructions")
                #expect(count > budget * 9 / 10, "\(name) takes \(count) instructions: lower its budget")
            }
        }
    }

    /// A release build of the assignment alone.
    private static func compiled(in sandbox: Sandbox) throws -> String {
        let program = sandbox.newPath("table-once")
        let core = "\(package)/Sources/PoolModel/Assignment"
        let sources =
            ["Bucket", "BucketRow", "WeightedCollector"].map { "\(core)/\($0).swift" }
            + ["Addresses", "Maglev", "Rendezvous"].flatMap { folder in
                FileText.names(in: "\(core)/\(folder)").sorted().map { "\(core)/\(folder)/\($0)" }
            }
        let compiler = try ChildProcess(
            [
                "swiftc", "-O", "-wmo", "-package-name", "table-once", "-o", program,
                "\(package)/Benchmarks/TableOnce/main.swift",
            ] + sources,
            in: sandbox, environment: ["TMPDIR": sandbox.folder])
        let exit = try compiler.wait(.seconds(600))
        try #require(exit == 0, "\(compiler.errorOutput)")
        return program
    }

    /// `==12== Collected : 59118537`
    private static func instructions(of command: [String], in sandbox: Sandbox) throws -> Int {
        // Without pipes in /tmp, which bear pids that other sandboxes have, too.
        let counter = try ChildProcess(
            [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", "--vgdb=no"] + command, in: sandbox,
            environment: ["SWIFT_DETERMINISTIC_HASHING": "1", "TMPDIR": sandbox.folder])
        let exit = try counter.wait(.seconds(600))
        let words = counter.errorOutput.split(whereSeparator: \.isWhitespace)
        let place = try #require(words.firstIndex(of: "Collected"), "\(exit): \(counter.errorOutput)")
        return try #require(Int(words[place + 2]))
    }
}
