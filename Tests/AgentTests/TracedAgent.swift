import Glibc
import TelemetryLab
import TestSupport

extension AgentFixture {
    /// From now on strace watches the agent, and ends it as it enters the step-th of
    /// such calls. It may come to that before anybody asks it for something: it also
    /// makes calls of its own.
    ///
    /// - Parameter calls: `bpf,close`.
    func endingItself(atCall step: Int, of calls: String) throws -> ChildProcess {
        try traced("inject=\(calls):signal=SIGKILL:when=\(step)")
    }

    /// From now on the step-th of such calls fails, until the tracer ends.
    ///
    /// - Parameter error: `ENOBUFS`.
    func refusing(call step: Int, of calls: String, with error: String) throws -> ChildProcess {
        try traced("inject=\(calls):error=\(error):when=\(step)")
    }

    private func traced(_ expression: String) throws -> ChildProcess {
        let tracer = try ChildProcess(
            ["strace", "-qq", "-o", "/dev/null", "-p", "\(process.pid)", "-e", expression], in: sandbox)
        let isWatched = waitUntil(.seconds(20)) { isTraced || process.exitCode != nil }
        guard isWatched else { throw LabError("strace does not trace: \(tracer.errorOutput)") }
        return tracer
    }

    /// Whether it has come to that call, or does so before it is at rest: when what it was asked
    /// for is answered and done.
    func hasEndedItself() -> Bool {
        waitUntil(.seconds(60), every: .milliseconds(2)) { process.exitCode != nil || process.isAtRest }
        return process.exitCode != nil
    }

    var isTraced: Bool {
        let text = FileText.read("/proc/\(process.pid)/status") ?? ""
        return text.split(separator: "\n").contains { $0.hasPrefix("TracerPid:") && !$0.hasSuffix("\t0") }
    }
}
