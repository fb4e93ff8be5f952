import Glibc
import PoolModel
import TelemetryLab
import Testing

@testable import AgentCore

@Suite(.serialized) struct ChildDeliveryTests {
    @Test func `a command that exceeds its time limit is killed with its children`() throws {
        let child = try ForkGate.pass {
            try ChildDelivery(
                ["/bin/sh", "-c", "echo begun; sleep 60 & sleep 60"], input: [], now: .now,
                limit: .milliseconds(300))
        }
        let group = child.pid
        #expect(kill(-group, 0) == 0)
        var end: (status: Int32, text: String)?
        #expect(
            waitUntil(.seconds(20)) {
                end = child.proceed(now: .now)
                return end != nil
            })
        #expect(end?.status == SIGKILL && end?.text == "it was ended after 0.3 seconds")
        #expect(waitUntil(.seconds(5)) { kill(-group, 0) != 0 })
    }

    @Test func `a command that prints 1 MB and reads no input ends by itself; the first 2 KB are kept`()
        throws
    {
        let child = try ForkGate.pass {
            try ChildDelivery(
                ["/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; exit 7"],
                input: [UInt8](repeating: 1, count: 1 << 20), now: .now)
        }
        var end: (status: Int32, text: String)?
        #expect(
            waitUntil(.seconds(20)) {
                end = child.proceed(now: .now)
                return end != nil
            })
        #expect(end?.status == 7 << 8 && end?.text == String(repeating: "x", count: 2_048))
    }

    @Test func `a missing program is an error that names it`() {
        let error = #expect(throws: KernelError.self) {
            try ForkGate.pass { try ChildDelivery(["/no/such"], input: [], now: .now) }
        }
        #expect("\(error!)" == "execve /no/such: ENOENT")
    }
}
