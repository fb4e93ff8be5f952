import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// Random sequences of operations, which no person would think of.
@Suite(.enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct ModelTests {
    /// One sequence instead of all: the seed that a failure names.
    private static let onlySeed = getenv("POOL_MODEL_SEED").flatMap { UInt64(String(cString: $0)) }
    /// MODEL_SEQUENCES=1500 in the environment makes it as many: `make test-long`.
    private static let sequences = getenv("MODEL_SEQUENCES").flatMap { UInt64(String(cString: $0)) } ?? 400
    private static let operations = 15
    private static let sandboxes: UInt64 = 8

    @Test(arguments: 0..<sandboxes)
    func `kernel and model agree after each operation of random sequences`(sandbox: UInt64) async throws {
        let count = Self.sequences / Self.sandboxes
        let seeds = (sandbox * count..<(sandbox + 1) * count).filter { (Self.onlySeed ?? $0) == $0 }
        guard !seeds.isEmpty else { return }
        try await Sandbox.run(.inProcess) { _ in
            for seed in seeds { try Self.runSequence(seed) }
        }
    }

    private static func runSequence(_ seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        var comparison = try PoolComparison(seed: seed, using: &generator)
        do {
            for _ in 0..<operations { try comparison.step(using: &generator) }
        } catch {
            Issue.record("POOL_MODEL_SEED=\(seed): \(error)\n\(comparison.history.joined(separator: "\n"))")
        }
        try comparison.end()
    }
}
