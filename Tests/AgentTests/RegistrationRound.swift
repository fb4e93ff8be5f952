import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab
import TestSupport

@testable import AgentCore

/// Ten registrations, as they come from all sides; three of them are refused.
struct RegistrationRound {
    static let registrations = 10

    private let client = ControlClient(path: AgentFixture.controlPath)
    /// A process with sockets of c2, and an accepted session.
    private let holder: ChildProcess
    private let holderSockets: CollectorSockets
    private let session: (client: InternetSocket, accepted: InternetSocket)

    /// The agent has to have c1, c2 and c3.
    init(in sandbox: Sandbox) throws {
        holderSockets = try CollectorSockets("c2")
        let router = try InternetSocket(.tcp, bind: .v4(0x0a05_0001))
        try router.connect(.v4(0x7f00_0001), 1_790)
        guard let accepted = holderSockets.tcp.acceptSessions().first?.connection else { throw LabError("no session") }
        session = (router, accepted)
        holder = try ChildProcess(
            ["sleep", "600"], in: sandbox,
            descriptors: [5: holderSockets.udp.number, 6: holderSockets.tcp.number, 7: accepted.number])
    }

    func run() throws {
        let first = try CollectorSockets("c1")
        try expect(true, registerAfterDeath(first))
        try expect(false, register("c1", first))
        let file = Descriptor(owning: open("/dev/null", O_RDONLY))
        try refuse(register("c1", [first.udp.number, file.number]), "not a socket")
        try refuse(register("c9", [first.udp.number, first.tcp.number]), "no collector of that name")
        try refuse(tooMany(first.udp.number), "descriptors")
        var second: CollectorSockets! = try CollectorSockets("c1")
        try expect(true, register("c1", second, .takeover))
        try expect(true, client.send(.registerProcess(collector: "c2", pid: holder.pid), act: "test"))
        try expect(true, client.send(.unregister(collector: "c2"), act: "test"))
        let pidfd = Descriptor(owning: rpa_pidfd_open(holder.outerPid))
        let passed = [holderSockets.udp.number, holderSockets.tcp.number]
        try expect(true, register("c3", passed, owner: pidfd.number))
        try expect(true, client.send(.unregister(collector: "c3"), act: "test"))
        try expect(true, client.send(.unregister(collector: "c1"), act: "test"))
        try expect(true, register("c1", second))
        // The collector ends and another one registers: the slot is free at once.
        second = nil
        let fourth = try CollectorSockets("c1")
        try expect(true, registerAfterDeath(fourth))
    }

    /// A process that another test starts has copies of the closed sockets, for some
    /// milliseconds: as long they are alive, and hold the slot.
    private func registerAfterDeath(_ sockets: CollectorSockets) throws -> ControlReply {
        var reply = try register("c1", sockets)
        try waitUntil(.seconds(2), every: .milliseconds(1)) {
            guard case .failure(let failure) = reply, failure.kind == .conflict else { return true }
            reply = try register("c1", sockets)
            return false
        }
        return reply
    }

    private func register(
        _ name: String, _ sockets: CollectorSockets, _ manner: RegistrationManner? = nil
    ) throws -> ControlReply {
        try register(name, [sockets.udp.number, sockets.tcp.number], manner)
    }

    private func register(
        _ name: String, _ numbers: [Int32], _ manner: RegistrationManner? = nil, owner: Int32? = nil
    ) throws -> ControlReply {
        let request = ControlRequest.register(
            collector: name, labels: numbers.map { "fd \($0)" }, hasOwner: owner != nil, manner: manner)
        return try client.send(request, descriptors: numbers + (owner.map { [$0] } ?? []), act: "test")
    }

    /// 400 descriptors, by two messages.
    private func tooMany(_ number: Int32) throws -> ControlReply {
        let stream = try client.connect(act: "test")
        let numbers = [Int32](repeating: number, count: 200)
        try client.write([0x7b], numbers, to: stream)
        // The agent may have answered already.
        try? client.write([0x7d], numbers, to: stream)
        shutdown(stream.number, Int32(SHUT_WR))
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let length = read(stream.number, &bytes, bytes.count)
        return try client.reply(in: Array(bytes.prefix(max(0, length))), act: "test")
    }

    private func expect(_ changed: Bool, _ reply: ControlReply) throws {
        guard case .changed(let change) = reply, change.changed == changed else { throw LabError("\(reply)") }
    }

    private func refuse(_ reply: ControlReply, _ text: String) throws {
        guard case .failure(let failure) = reply, "\(failure)".contains(text) else { throw LabError("\(reply)") }
    }
}
