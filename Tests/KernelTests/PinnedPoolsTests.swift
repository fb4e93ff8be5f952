import PoolModel
import TelemetryLab
import Testing
import TestSupport

@testable import SockArrayCore

/// What the pins of all pools on a host tell.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct PinnedPoolsTests {
    @Test func `the other pool that has a socket is found with its collector, and the pool that asks isn't named`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let configuration = pool.kernel.configuration
            let cookie = try PoolFixture.offer(pool.tcp["c2"]!.number).offer.socket.cookie
            let holder = PinnedPools.holder(of: cookie, in: configuration.bpffs, except: "west")
            #expect(holder == .pool(configuration.pool, collector: "c2"))
            #expect(PinnedPools.holder(of: cookie, in: configuration.bpffs, except: configuration.pool) == .unknown)
            #expect(PinnedPools.holder(of: 1, in: configuration.bpffs, except: "west") == .unknown)
        }
    }
}
