import CLabShim
import Foundation
import Glibc

/// A subject in namespaces of its own, from the outside. The stage ends with its object, and with
/// this process.
final class Stage {
    private let pid: Int32
    private let channel: Channel

    init(_ setting: StageSetting) throws {
        var ends: [Int32] = [0, 0]
        try bench("socketpair", socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends))
        channel = Channel(ends[0])
        // Only the process that starts next inherits the descriptor.
        _ = fcntl(ends[1], F_SETFD, 0)
        defer { close(ends[1]) }
        let text = String(decoding: try JSONEncoder().encode(setting), as: UTF8.self)
        let arguments = ["reuseport-bench", "stage", "--channel", "\(ends[1])", text]
        let argv = arguments.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var step: UnsafePointer<CChar>?
        pid = lab_sandbox_start(argv, &step)
        guard pid > 0 else {
            let name = step.map { String(cString: $0) } ?? "clone"
            throw BenchmarkError(description: "namespaces: \(name): errno \(-pid); run it as root")
        }
        _ = try answer()
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    func run(_ order: LoadOrder) throws -> LoadOutcome {
        try channel.send(order)
        guard let outcome = try answer() else { throw BenchmarkError(description: "a stage gave no outcome") }
        return outcome
    }

    private func answer() throws -> LoadOutcome? {
        switch try channel.receive(StageAnswer.self) {
        case .ready: nil
        case .outcome(let outcome): outcome
        case .failed(let text): throw BenchmarkError(description: text)
        case nil: throw BenchmarkError(description: "a stage has ended")
        }
    }
}
