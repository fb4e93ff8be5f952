import Testing

@testable import PoolModel
@testable import PoolReport

/// How an audit judges facts, without a kernel.
@Suite struct AuditTests {
    static let ipfix = ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)
    static let bmp = ReuseportGroup(name: "bmp", transport: .tcp, address: .v4(0), port: 1_790)

    static func socket(
        _ cookie: UInt64, at address: IPAddress = .v4(0), of group: ReuseportGroup = ipfix, hasPeer: Bool = false
    ) -> BoundSocket {
        BoundSocket(
            transport: group.transport, address: address, port: group.port, hasPeer: hasPeer, cookie: cookie,
            inode: UInt32(cookie) + 7_000, user: 1_000)
    }

    /// Two collectors with cookies 1 and 2, a placeholder with 9, and what else is given.
    static func facts(
        _ others: [BoundSocket] = [], entries: [AuditFacts.Entry]? = nil, probe: ProbeResult = .attached
    ) -> AuditFacts {
        AuditFacts(
            groups: [
                AuditFacts.Group(
                    ipfix, sockets: [socket(1), socket(2), socket(9)] + others,
                    entries: entries ?? [entry("c1", 1), entry("c2", 2)], placeholder: 9, probe: probe)
            ],
            state: .init(
                delivery: DeliveryFacts(
                    collectors: ["c1", "c2"].map {
                        .init(name: $0, state: .active, hasRegistered: true, groups: ["ipfix"])
                    },
                    groups: [.init(ipfix)])))
    }

    static func entry(_ name: String, _ registered: UInt64?, present: UInt64?? = nil) -> AuditFacts.Entry {
        AuditFacts.Entry(collector: name, registered: registered, present: present ?? registered)
    }

    private static let start = ContinuousClock.now

    static func moment(_ seconds: Int64) -> AuditHistory.Moment {
        AuditHistory.Moment(instant: start + .seconds(seconds), time: 1_700_000_000 + seconds)
    }

    @Test func `a healthy pool has 0 findings, 12 good checks and exit 0`() {
        var history = AuditHistory()
        let report = history.judge(Self.facts(), at: Self.moment(0))
        #expect(report.findings.isEmpty && report.new.isEmpty && report.over.isEmpty)
        #expect(report.checks.count == 12)
        #expect(report.checks.allSatisfy { $0.ok && $0.remedy == nil })
        #expect(report.checks.contains { $0.detail.hasPrefix("2, all of them registered") })
        #expect(report.exitCode == 0)
    }

    @Test func `sockets of a VRF take nothing of a group without an interface, those of another interface do`() {
        var vrf = Self.socket(5)
        vrf.interface = "red"
        var facts = Self.facts([vrf])
        facts.groups[0].apart = ["red"]
        var history = AuditHistory()
        #expect(history.judge(facts, at: Self.moment(0)).findings.isEmpty)
        facts.groups[0].apart = []
        #expect(history.judge(facts, at: Self.moment(1)).findings.map(\.name) == ["traffic_stolen"])
    }

    @Test func `a stranger is a finding after 10 s, and is reported once as new and once as over`() {
        var history = AuditHistory()
        let facts = Self.facts([Self.socket(5)])
        #expect(history.judge(facts, at: Self.moment(0)).findings.isEmpty)
        #expect(history.judge(facts, at: Self.moment(9)).findings.isEmpty)
        let found = history.judge(facts, at: Self.moment(10))
        #expect(found.new.map(\.name) == ["stranger_in_group"])
        #expect(found.new == found.findings)
        #expect(found.findings[0].group == "ipfix")
        #expect(found.findings[0].since == 1_700_000_000)
        #expect(
            found.findings[0].text.contains("a socket of user 1000 (inode 7005) is in the group and not registered"))
        #expect(found.findings[0].text.contains("ss -uanpe sport = :4739 | grep ino:7005"))
        #expect(found.exitCode == 5)
        let later = history.judge(facts, at: Self.moment(15))
        #expect(later.findings == found.findings && later.new.isEmpty && later.over.isEmpty)
        let gone = history.judge(Self.facts(), at: Self.moment(20))
        #expect(gone.findings.isEmpty && gone.over.map(\.name) == ["stranger_in_group"])
        #expect(history.judge(Self.facts(), at: Self.moment(25)).over.isEmpty)
    }

    @Test func `a collector that registers 9 s after its bind was never a stranger`() {
        var history = AuditHistory()
        let half = Self.facts([Self.socket(3)])
        for second in stride(from: Int64(0), through: 9, by: 1) {
            #expect(history.judge(half, at: Self.moment(second)).findings.isEmpty)
        }
        let whole = Self.facts(
            [Self.socket(3)], entries: [Self.entry("c1", 1), Self.entry("c2", 2), Self.entry("c3", 3)])
        #expect(history.judge(whole, at: Self.moment(12)).findings.isEmpty)
        // Its 10 s start again if it leaves its slot.
        #expect(history.judge(half, at: Self.moment(14)).findings.isEmpty)
    }

    @Test func `a formerly registered socket is reported with its collector's name as a note, with exit 0`() {
        var history = AuditHistory()
        _ = history.judge(Self.facts(), at: Self.moment(0))
        let replaced = Self.facts([Self.socket(3)], entries: [Self.entry("c1", 3), Self.entry("c2", 2)])
        #expect(history.judge(replaced, at: Self.moment(5)).findings.isEmpty)
        let report = history.judge(replaced, at: Self.moment(15))
        #expect(report.findings.map(\.name) == ["old_socket_in_group"])
        #expect(report.findings[0].collector == "c1")
        #expect(report.findings[0].text.contains("(inode 7001) was collector c1's"))
        #expect(report.findings[0].level == .note && report.exitCode == 0)
        #expect(report.checks.filter(\.isMissingOption).map(\.check) == ["group ipfix: members"])
    }

    @Test func `a slot with a foreign socket is found at once; an empty slot is fine`() {
        var history = AuditHistory()
        let empty = Self.facts(entries: [Self.entry("c1", 1, present: .some(nil)), Self.entry("c2", 2)])
        #expect(history.judge(empty, at: Self.moment(0)).findings.isEmpty)
        let written = Self.facts(
            [Self.socket(4)], entries: [Self.entry("c1", 1, present: 4), Self.entry("c2", 2)])
        let report = history.judge(written, at: Self.moment(1))
        #expect(report.findings.map(\.name) == ["socket_replaced"])
        #expect(report.findings[0].collector == "c1" && report.exitCode == 5)
        let planted = Self.facts(entries: [Self.entry("c1", nil, present: 1), Self.entry("c2", 2)])
        #expect(history.judge(planted, at: Self.moment(2)).findings.map(\.name) == ["socket_replaced"])
    }

    @Test func `a replaced program stays listed for 60 s, and a second replacement is reported again`() {
        var history = AuditHistory()
        let first = history.judge(Self.facts(probe: .replaced), at: Self.moment(100))
        #expect(first.new.map(\.name) == ["program_replaced"] && first.exitCode == 5)
        let calm = history.judge(Self.facts(), at: Self.moment(130))
        #expect(calm.findings.map(\.name) == ["program_replaced"] && calm.new.isEmpty)
        let second = history.judge(Self.facts(probe: .replaced), at: Self.moment(140))
        #expect(second.new.map(\.name) == ["program_replaced"])
        #expect(history.judge(Self.facts(), at: Self.moment(199)).findings.count == 1)
        let end = history.judge(Self.facts(), at: Self.moment(200))
        #expect(end.findings.isEmpty && end.over.map(\.name) == ["program_replaced"])
    }

    @Test func `a group without a successful attach isn't attached in the status; an unseen one is`() {
        let outcomes = PoolStatus.Outcomes(selected: 0, failedOver: 0, held: 0, noCollector: 0, badPacket: 0)
        let group = Self.facts().groups[0].group
        for (probe, isAttached) in [
            (ProbeResult.attached, true), (.unreachable, false), (.unseen, true),
        ] {
            var history = AuditHistory()
            _ = history.judge(Self.facts(probe: probe), at: Self.moment(0))
            let report = history.judge(Self.facts(probe: probe), at: Self.moment(20))
            var status = PoolStatus(
                pool: "edge", assignment: "rendezvous", tableSize: 65_536, collectors: [],
                groups: [
                    .init(
                        name: group.name, protocol: "udp", address: "0.0.0.0", port: 4_739, attached: true,
                        outcomes: outcomes, droppedBytes: 0)
                ])
            status.add(report.findings)
            #expect(status.groups[0].attached == isAttached && status.findings == report.findings)
        }
    }

    @Test func `an unseen probe is a finding at once after a failed attach, else a note after 10 s`() {
        var history = AuditHistory()
        let lost = history.judge(Self.facts(probe: .unreachable), at: Self.moment(0))
        #expect(lost.findings.map(\.name) == ["program_unverified"] && lost.exitCode == 5)
        let unseen = Self.facts(probe: .unseen)
        #expect(history.judge(unseen, at: Self.moment(5)).findings.isEmpty)
        // A group that wasn't asked has no news.
        #expect(history.judge(Self.facts(probe: .skipped), at: Self.moment(10)).findings.isEmpty)
        let late = history.judge(unseen, at: Self.moment(15))
        #expect(late.findings.map(\.level) == [.note] && late.exitCode == 0)
        let refused = history.judge(Self.facts(probe: .unsendable(errno: 101)), at: Self.moment(20))
        #expect(refused.findings[0].text.contains("could not be sent (ENETUNREACH)"))
    }

    @Test func `a more narrowly bound socket is found, unless it is of another group of the pool`() {
        let narrow = Self.socket(6, at: .v4(0x7f00_0001))
        var history = AuditHistory()
        let report = history.judge(Self.facts([narrow]), at: Self.moment(0))
        #expect(report.findings.map(\.name) == ["traffic_stolen"])
        #expect(
            report.findings[0].text.contains(
                "at 127.0.0.1:4739 receives what is sent to 127.0.0.1 in place of the group"))
        var facts = Self.facts([narrow])
        let own = ReuseportGroup(name: "local", transport: .udp, address: .v4(0x7f00_0001), port: 4_739)
        facts.groups.append(.init(own, sockets: [narrow], entries: [Self.entry("c1", 6)]))
        var other = AuditHistory()
        #expect(other.judge(facts, at: Self.moment(0)).findings.isEmpty)
    }

    @Test func `a stolen group's remedy keeps to the group's address: its groups can't overlap`() {
        let narrow = Self.socket(6, at: .v4(0x7f00_0001))
        var device = Self.socket(7)
        device.interface = "eth2"
        for (socket, words) in [(narrow, "bind udp 0.0.0.0:4739, as the group"), (device, "no SO_BINDTODEVICE")] {
            var history = AuditHistory()
            let report = history.judge(Self.facts([socket]), at: Self.moment(0))
            #expect(report.findings.map(\.name) == ["traffic_stolen"])
            #expect(report.findings[0].text.contains(words), "\(report.findings[0].text)")
            #expect(!report.findings[0].text.contains("make its address a group"))
        }
    }

    @Test func `a replaced program's remedy knows collectors with BPF of their own, and how to find the process`() {
        var history = AuditHistory()
        let text = history.judge(Self.facts(probe: .replaced), at: Self.moment(0)).findings[0].text
        for word in ["nfacctd_rp_ebpf_prog", "Akvorado", "SO_ATTACH_REUSEPORT_EBPF or _CBPF", "ss -uanpe sport"] {
            #expect(text.contains(word), "\(text)")
        }
    }

    @Test func `each errno of a missing placeholder has its remedy`() {
        for (errno, remedy): (Int32, String) in [
            (1, "CAP_CHOWN"), (13, "CAP_NET_BIND_SERVICE"), (98, "collector_user"), (99, "give this host the address"),
            (24, "limits"),
        ] {
            var facts = Self.facts()
            facts.groups[0].placeholder = nil
            facts.groups[0].sockets.removeAll { $0.cookie == 9 }
            facts.groups[0].placeholderRefusal = .init(user: 1_000, errno: errno)
            var history = AuditHistory()
            let report = history.judge(facts, at: Self.moment(0))
            #expect(report.findings.map(\.name) == ["no_placeholder"])
            #expect(report.findings[0].text.contains(remedy), "\(report.findings[0].text)")
            #expect(report.exitCode == 0)
        }
    }

    @Test func `a lone source and a session that couldn't be ended are notes of the pool`() {
        var facts = Self.facts()
        facts.loneSource = IPAddress("192.0.2.1")
        facts.resetRefusal = 1
        var history = AuditHistory()
        let report = history.judge(facts, at: Self.moment(0))
        #expect(report.findings.map(\.name) == ["one_source_address", "session_not_ended"])
        #expect(report.findings[0].text.hasPrefix("exporter 192.0.2.1: nearly everything"))
        #expect(report.findings[1].text.contains("(EPERM)") && report.findings[1].text.contains("CAP_NET_ADMIN"))
        #expect(report.exitCode == 0)
    }
}

@Suite struct SourceCensusTests {
    private static func tracked(_ runs: [UInt64]) -> [TrackedExporter] {
        runs.enumerated().map { TrackedExporter(address: .v4(UInt32($0.offset)), runs: $0.element, bytes: 0) }
    }

    private static func loneSource(
        after first: [UInt64], _ second: [UInt64], untracked: UInt64 = 0, isSpread: Bool = true
    )
        -> IPAddress?
    {
        var census = SourceCensus()
        census.look(runs: first.reduce(0, +), tracked(first), untracked: 5, isSpread: isSpread)
        census.look(runs: second.reduce(0, +), tracked(second), untracked: 5 + untracked, isSpread: isSpread)
        return census.loneSource
    }

    @Test func `999 of 1,000 runs since the last reading make a lone source, 998 don't`() {
        #expect(Self.loneSource(after: [7, 5_000], [1_006, 5_001]) == .v4(0))
        #expect(Self.loneSource(after: [7, 5_000], [1_005, 5_002]) == nil)
    }

    @Test func `untracked runs count against a lone source`() {
        #expect(Self.loneSource(after: [0], [2_000]) == .v4(0))
        #expect(Self.loneSource(after: [0], [2_000], untracked: 3) == nil)
    }

    @Test func `fewer than 1,000 runs, or a single collector, make no lone source`() {
        #expect(Self.loneSource(after: [0], [999]) == nil)
        #expect(Self.loneSource(after: [0], [100_000], isSpread: false) == nil)
    }

    @Test func `a reading of the exporters is due at first and after 1,000 runs`() {
        var census = SourceCensus()
        #expect(census.isDue(runs: 0))
        census.look(runs: 50, Self.tracked([50]), untracked: 0, isSpread: true)
        #expect(!census.isDue(runs: 1_049))
        #expect(census.isDue(runs: 1_050))
    }
}
