import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// Who may claim a process as a collector's owner: `replace --terminate` ends that process later.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct OwnerClaimTests {
    private static let user: UInt32 = 1_000

    /// A process of some user that has the collector's sockets, and a pidfd of it.
    private final class Sleeper {
        let process: ChildProcess
        let pidfd: Descriptor

        init(of user: UInt32?, with sockets: CollectorSockets, in sandbox: Sandbox) throws {
            process = try ChildProcess(
                ["sleep", "60"], in: sandbox, descriptors: [5: sockets.udp.number, 6: sockets.tcp.number], user: user)
            let opened = rpa_pidfd_open(process.outerPid)
            guard opened >= 0 else { throw LabError("pidfd_open: errno \(-opened)") }
            pidfd = Descriptor(owning: opened)
        }
    }

    @Test(arguments: [nil, 1_001] as [UInt32?])
    func
        `uid 1000 names another user's process by pid, by pidfd and beside sockets: refused 3 times of 3, maps the same`(
            other: UInt32?
        ) async throws
    {
        try await Sandbox.run { sandbox in
            let open = "control_socket: {path: \(AgentFixture.controlPath), mode: \"0666\"}"
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(extra: open))
            let sockets = try sandbox.asUser(Self.user) { try CollectorSockets("c1") }
            let (own, victim) = (
                try Sleeper(of: Self.user, with: sockets, in: sandbox),
                try Sleeper(of: other, with: sockets, in: sandbox)
            )
            // setpriv has become that user.
            #expect(waitUntil(.seconds(5)) { ProcessFacts.user(of: victim.process.pid) == other ?? 0 })
            #expect(waitUntil(.seconds(5)) { ProcessFacts.user(of: own.process.pid) == Self.user })
            let labels = ["fd 3", "fd 4"]
            let numbers = [sockets.udp.number, sockets.tcp.number]
            func ask(_ request: ControlRequest, _ descriptors: [Int32]) throws -> ControlReply {
                try sandbox.asUser(Self.user) {
                    try ControlClient(path: AgentFixture.controlPath)
                        .send(request, descriptors: descriptors, act: "test")
                }
            }
            let before = try PinnedMaps.read()
            let replies = [
                try ask(.registerProcess(collector: "c1", pid: victim.process.pid), []),
                // The pidfd says which process it is, and not the pid.
                try ask(.registerProcess(collector: "c1", pid: own.process.pid), [victim.pidfd.number]),
                try ask(.register(collector: "c1", labels: labels, hasOwner: true), numbers + [victim.pidfd.number]),
            ]
            for reply in replies {
                guard case .failure(let failure) = reply else {
                    Issue.record("\(reply)")
                    continue
                }
                #expect(failure.kind == .privilege)
                #expect(
                    failure.cause == "process \(victim.process.pid) belongs to another user than you (uid 1000)")
            }
            #expect(try PinnedMaps.read().differences(from: before) == [])
            // A process of its own it may name.
            let reply = try ask(
                .register(collector: "c1", labels: labels, hasOwner: true), numbers + [own.pidfd.number])
            guard case .changed(let change) = reply else { throw LabError("\(reply)") }
            #expect(change.changed && change.groups == ["ipfix", "bmp"])
            #expect(try agent.ownerPid() == own.process.pid)
        }
    }
}
