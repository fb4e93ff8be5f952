import CBPFShim
import Glibc
import TelemetryLab
import Testing

@testable import AgentCore

@Suite struct BackgroundIOTests {
    @Test func `a job runs on a thread of its own; its end makes it readable, with its result`() throws {
        let gate = rpa_event()
        try #require(gate >= 0)
        defer { close(gate) }
        let job = BackgroundIO {
            var count: UInt64 = 0
            return read(gate, &count, 8)
        }
        #expect(job.refusal == nil && job.deadline == nil && job.take() == nil)
        #expect(!job.isDone(by: ContinuousClock.now + .milliseconds(20)))
        rpa_raise_event(gate)
        #expect(job.isDone(by: ContinuousClock.now + .seconds(20)) && job.take() == 8)
    }

    @Test func `without an eventfd (EMFILE) the job runs at once on the loop, which then takes its result`() {
        let caller = pthread_self()
        let job = BackgroundIO(tellingBy: -EMFILE) { pthread_equal(pthread_self(), caller) }
        #expect(job.refusal == EMFILE && job.deadline == .distantPast && job.isDone(by: .distantPast))
        #expect(job.take() != 0)
    }
}
