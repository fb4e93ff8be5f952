import CBPFShim
import CInterpreter
import Glibc
import TelemetryLab
import Testing

@testable import PoolModel
@testable import SockArrayCore

/// How many instructions a run of a selection program executes: the interpreter counts them.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces")) struct RunBudgetTests {
    @Test(arguments: [
        ("tracking off", Tracking.off, 1, WorkerChoice.exporter), ("tracking on", Tracking(), 1, .exporter),
        ("4 workers by exporter", .off, 4, .exporter), ("4 workers by flow", .off, 4, .flow),
        ("4 workers by packet", .off, 4, .packet), ("4 workers by CPU", .off, 4, .cpu),
    ])
    func `a datagram of a known exporter is within its budget of instructions`(
        _ name: String, _ tracking: Tracking, _ workers: Int, _ choice: WorkerChoice
    ) async throws {
        try await Sandbox.run { _ in
            let run = try InterpretedPool(tracking, workers: workers, choice).runs(3).last!
            #expect(run.result == Int32(SK_PASS.rawValue) && run.entry >= 0)
            print("\"\(name)\": Run(instructions: \(run.instructions), calls: \(run.calls)),")
            let budget = try #require(InstructionBudgets.runs[name])
            #expect(InstructionBudgets.Run(instructions: run.instructions, calls: run.calls) == budget, "\(name)")
        }
    }

    @Test func `one in many runs of a tracked exporter updates its entry`() async throws {
        try await Sandbox.run { _ in
            let pool = try InterpretedPool(Tracking(), workers: 1, .exporter)
            let runs = try pool.runs(20, jiffies: 1 << RPA_STATE_JIFFIES_SHIFT)
            let budget = try #require(InstructionBudgets.runs["tracking on"]).instructions
            let updates = runs.dropFirst().count { $0.instructions > budget }
            #expect(updates == 1 || updates == 2, "of 20 runs, in a period of 16 units of time")
        }
    }
}

/// A pool without a kernel: one collector that has all rows, in group 0.
private final class InterpretedPool {
    private let interpreter: OpaquePointer
    private var jiffies: UInt64 = 1_000_000

    init(_ tracking: Tracking, workers: Int, _ choice: WorkerChoice) throws {
        var configuration = PoolFixture.configuration(["c1"])
        configuration.tracking = tracking
        var constants = AssignmentTable(configuration).constants(ofGeneration: 1)
        constants.ownGroup = 0
        let sizes = TrackingSizes(limit: max(tracking.size, 1), cpuCount: 1)
        let program = Embedded_skReuseportProgram.bytes
        let opened = withUnsafeBytes(of: constants) { constants in
            "tracked".withCString { tracked in
                "cpu_counters".withCString { counters in
                    var maps = [
                        interpreter_map(name: tracked, entries: UInt32(sizes.entries)),
                        // The constants have a block for each of this machine's CPUs.
                        interpreter_map(name: counters, entries: UInt32(sizes.buckets * 16)),
                    ]
                    return interpreter_open(
                        program, program.count, "select_collector", constants.baseAddress, constants.count, &maps,
                        maps.count)
                }
            }
        }
        interpreter = try #require(opened, "bpf_object__load: errno \(errno)")
        let settings = try value("settings", as: rpa_settings.self)
        settings.pointee.generation = 1
        settings.pointee.sampling = Sampling(interval: Tracking.defaultInterval).word
        settings.pointee.update_mask = StateTime.updateMask(period: StateTime.unit * 16)
        let slot = try value("slots", as: rpa_slot.self)
        slot.pointee.registration_number = 1
        slot.pointee.groups = workers > 1 ? 1 | constants.several : 1
        slot.pointee.spans.0 = UInt64(workers)
        slot.pointee.policy = UInt64(choice.code) << UInt64(RPA_CHOICE_SHIFT)
        for worker in 0..<workers { interpreter_set_socket(interpreter, UInt32(worker * Int(RPA_MAX_SLOTS)), 1) }
    }

    deinit { interpreter_close(interpreter) }

    private func value<Value>(_ map: String, as type: Value.Type) throws -> UnsafeMutablePointer<Value> {
        try #require(interpreter_value(interpreter, map, 0)).assumingMemoryBound(to: type)
    }

    /// - Parameter jiffies: that pass before each run.
    func runs(_ count: Int, jiffies passing: UInt64 = 0) throws -> [interpreter_run] {
        try (0..<count).map { _ in
            jiffies += passing
            var run = interpreter_run()
            let result = interpreter_run_udp(interpreter, 0x0a00_0001, 208, jiffies, &run)
            try #require(result == 0, "the interpreter's error \(-result)")
            return run
        }
    }
}
