import PoolModel
import Testing

@Suite struct PollBackoffTests {
    @Test(arguments: [
        (Duration.zero, 25.0), (.seconds(1), 25), (.seconds(60), 25), (.seconds(120), 50), (.seconds(300), 125),
        (.seconds(600), 250), (.seconds(86_400), 250),
    ])
    func `a missing collector is looked for every 25 ms for 60 s, and every 250 ms from 600 s on`(
        away: Duration, milliseconds: Double
    ) {
        let pause = PollBackoff.discovery.pause(after: away) / .milliseconds(1)
        #expect(abs(pause - milliseconds) < 0.001, "\(pause)")
    }

    @Test(arguments: [
        (Duration.zero, 10.0), (.milliseconds(100), 10), (.milliseconds(500), 50), (.seconds(1), 100),
        (.seconds(3_600), 100),
    ])
    func `queues are read every 10 ms at first, and every 100 ms from 1 s on`(
        waited: Duration, milliseconds: Double
    ) {
        let pause = PollBackoff.queues.pause(after: waited) / .milliseconds(1)
        #expect(abs(pause - milliseconds) < 0.001, "\(pause)")
    }

    @Test func `a minute has 2,400 looks, and a day 351,000 instead of 3,456,000`() {
        func looks(_ limit: Duration) -> Int {
            var (time, count) = (Duration.zero, 0)
            while time < limit {
                time += PollBackoff.discovery.pause(after: time)
                count += 1
            }
            return count
        }
        #expect(looks(.seconds(60)) == 2_400)
        #expect(abs(looks(.seconds(86_400)) - 351_000) < 1_000, "\(looks(.seconds(86_400)))")
    }
}
