import PoolModel
import Testing

/// How long a hold lasts while its collector starts.
@Suite struct HoldExtensionTests {
    /// Seconds after which a hold ends, if somebody asks for an extension every 250 ms for so long.
    private static func end(of hold: Duration, askingFor time: Duration) -> Duration {
        var (value, now, start) = (HoldExtension(), Duration.zero, Duration.zero)
        while now - start < hold {
            if now <= time, let grant = value.grant(downFor: now - start, hold: hold) { start += grant.gain }
            now += .milliseconds(250)
        }
        return start + hold
    }

    @Test(arguments: [1, 4, 10, 60])
    func `a hold that is extended all the time ends 30 s late, and no later`(seconds: Int) {
        let hold = Duration.seconds(seconds)
        #expect(Self.end(of: hold, askingFor: .seconds(1_000)) == hold + .seconds(30))
    }

    @Test func `a hold ends at most 5 s after the last request, and on time if the requests end early`() {
        #expect(Self.end(of: .seconds(10), askingFor: .seconds(12)) == .seconds(17))
        #expect(Self.end(of: .seconds(10), askingFor: .seconds(4)) == .seconds(10))
    }

    @Test func `a hold that is over stays over, and no hold is not extended`() {
        var value = HoldExtension()
        func grant(_ downFor: Duration, _ hold: Duration) -> HoldExtension.Grant? {
            value.grant(downFor: downFor, hold: hold)
        }
        #expect(grant(.seconds(10), .seconds(10)) == nil)
        #expect(grant(.zero, .zero) == nil)
        #expect(grant(.seconds(1 << 40), .seconds(86_400)) == nil)
    }

    @Test func `the first extension is known as such, and a hold with more than 5 s left needs none`() throws {
        var value = HoldExtension()
        func grant(_ downFor: Duration) -> HoldExtension.Grant? { value.grant(downFor: downFor, hold: .seconds(10)) }
        #expect(grant(.seconds(5)) == nil)
        let first = try #require(grant(.seconds(8)))
        #expect(first.isFirst && first.gain == .seconds(3))
        let second = try #require(grant(.seconds(6)))
        #expect(!second.isFirst && second.gain == .seconds(1) && second.total == .seconds(4))
    }
}
