import CBPFShim
import Glibc
import TelemetryLab
import Testing

@testable import AgentCore

@Suite struct BackgroundIOTests {
    @Test func `a job has a thread: not done before its body ends, then readable, with its result`() throws {
        let gate = rpa_event()
        try #require(gate >= 0)
        defer { close(gate) }
        let job = BackgroundIO {
            var count: UInt64 = 0
            return read(gate, &count, 8)
        }
        #expect(job.refusal == nil && job.deadline == nil && job.take() == nil)
        #expect(!job.isDone(by: rpa_monotonic_ns() + 20_000_000))
        rpa_raise_event(gate)
        #expect(job.isDone(by: rpa_monotonic_ns() + 20_000_000_000) && job.take() == 8)
    }

    @Test func `without an eventfd (EMFILE) the job is done at once, here, and the loop comes back for it at once`() {
        let caller = pthread_self()
        let job = BackgroundIO(tellingBy: -EMFILE) { pthread_equal(pthread_self(), caller) }
        #expect(job.refusal == EMFILE && job.deadline == 0 && job.isDone(by: 0))
        #expect(job.take() != 0)
    }
}
