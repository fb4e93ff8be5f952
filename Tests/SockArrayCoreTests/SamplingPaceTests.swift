import PoolModel
import Testing

@Suite struct SamplingPaceTests {
    private func pressure(_ evicted: UInt64, runs: UInt64 = 0, lost: UInt64 = 0) -> SamplingPace.Pressure {
        SamplingPace.Pressure(evicted: evicted, untrackedRuns: runs, eventsLost: lost)
    }

    @Test func `the interval doubles with each look under pressure, to 64 times at most, and returns by halves`() {
        var pace = SamplingPace()
        pace.look(pressure(5))  // what was before the first look says nothing
        #expect(pace.interval(of: .seconds(10)) == .seconds(10))
        for look in 1...10 {
            pace.look(pressure(5 + UInt64(look)))
            #expect(pace.interval(of: .seconds(10)) == .seconds(10) * min(1 << look, 64))
        }
        for _ in 0..<SamplingPace.quietLooks { pace.look(pressure(15)) }
        #expect(pace.interval(of: .seconds(10)) == .seconds(320))
        for _ in 0..<SamplingPace.quietLooks * 5 { pace.look(pressure(15)) }
        #expect(pace.interval(of: .seconds(10)) == .seconds(10))
        for _ in 0..<20 { pace.look(pressure(15)) }
        #expect(pace.doublings == 0)
    }

    @Test(arguments: [(1, 0, 0), (0, 1, 0), (0, 0, 1)] as [(UInt64, UInt64, UInt64)])
    func `evictions, runs without a place and lost events each are pressure`(
        evicted: UInt64, runs: UInt64, lost: UInt64
    ) {
        var pace = SamplingPace()
        pace.look(pressure(0))
        pace.look(pressure(evicted, runs: runs, lost: lost))
        #expect(pace.doublings == 1)
    }

    @Test func `exact gives way to the default interval under pressure, and is back after it`() {
        var pace = SamplingPace()
        pace.look(pressure(0))
        #expect(pace.interval(of: .zero) == .zero)
        pace.look(pressure(0, lost: 1))
        #expect(pace.interval(of: .zero) == Tracking.defaultInterval)
        for _ in 0..<SamplingPace.quietLooks { pace.look(pressure(0, lost: 1)) }
        #expect(pace.interval(of: .zero) == .zero)
    }
}
