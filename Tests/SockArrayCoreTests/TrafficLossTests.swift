import Testing

@testable import PoolModel
@testable import PoolReport

/// What a pool drops now, and what the agent says of it.
@Suite struct TrafficLossTests {
    private static let ipfix = AuditTests.ipfix
    private static let bmp = AuditTests.bmp
    private static let both: Set = ["ipfix", "bmp"]

    /// c1, c2, … with a socket in each group where they are usable.
    private static func facts(
        _ states: [SlotState], groups: [DeliveryFacts.Group] = [.init(ipfix), .init(bmp)], hasAffinity: Bool = true,
        hasRegistered: Bool = true, lostRows: Int = 0
    ) -> DeliveryFacts {
        DeliveryFacts(
            collectors: states.enumerated().map { index, state in
                .init(
                    name: "c\(index + 1)", state: state, hasRegistered: hasRegistered,
                    groups: state.standing == .usable ? both : [])
            }, groups: groups, hasAffinity: hasAffinity, lostRows: lostRows)
    }

    private static func problems(_ facts: DeliveryFacts) -> [String] { facts.problems.map(\.name) }

    @Test func `while a collector is usable, an absent one's traffic is dropped in its hold alone`() {
        #expect(Self.facts([.active, .active]).losses == [])
        #expect(Self.facts([.active, .failed]).losses == [])
        #expect(Self.facts([.active, .empty]).losses == [], "nothing was sent to it yet")
        let held = Self.facts([.active, .holding(left: .milliseconds(7_300))])
        #expect(
            held.losses.map(\.text) == ["collector c2 is absent: its exporters' traffic is dropped for up to 7.3 s"])
        #expect(Self.problems(held) == [], "a hold is short, and intended")
        #expect(Self.facts([.active, .holding(left: .seconds(9))], hasAffinity: false).losses == [])
    }

    @Test(arguments: [
        [SlotState.failed, .failed], [.failed, .empty], [.absent, .absent], [.failed, .holding(left: .seconds(3))],
    ])
    func `when no collector is usable and a hold is over, everything is dropped: a problem, and exit 5`(
        states: [SlotState]
    ) {
        for hasAffinity in [true, false] {
            let facts = Self.facts(states, hasAffinity: hasAffinity)
            #expect(facts.losses.first == .noCollector)
            #expect(facts.problems == [.noCollector(isNewPool: false)])
            var history = AuditHistory()
            let report = history.judge(
                AuditFacts(groups: [], state: .init(delivery: facts)), at: AuditTests.moment(0))
            #expect(report.exitCode == 5 && report.new.map(\.isOutage) == [true])
            #expect(report.checks.contains { !$0.ok && $0.check == "collectors" && $0.detail.contains("is dropped") })
        }
    }

    @Test func `while all collectors are held, each hold is a loss, and no finding tells that it is for good`() {
        let facts = Self.facts([.holding(left: .seconds(3)), .holding(left: .seconds(4))])
        #expect(
            facts.losses == [
                .noCollector, .held(collector: "c1", left: .seconds(3)), .held(collector: "c2", left: .seconds(4)),
            ])
        #expect(facts.problems == [])
        var history = AuditHistory()
        let report = history.judge(AuditFacts(groups: [], state: .init(delivery: facts)), at: AuditTests.moment(0))
        let line = report.checks.first { $0.check == "collectors" }
        #expect(line?.detail == "0 of 2 are usable, not: c1 (holding), c2 (holding)" && line?.isMissingOption == true)
    }

    @Test func `a new pool without a registered collector is a problem after 10 s, until one registers`() {
        var history = AuditHistory()
        func report(_ states: [SlotState], at second: Int64) -> AuditReport {
            let facts = Self.facts(states, hasRegistered: false)
            #expect(facts.losses.first == .noCollector)
            return history.judge(
                AuditFacts(groups: [], state: .init(delivery: facts)), at: AuditTests.moment(second))
        }
        for (second, exitCode) in [(0, 0), (9, 0), (10, 5)] as [(Int64, Int32)] {
            let report = report([.empty, .empty], at: second)
            #expect(report.exitCode == exitCode)
            #expect(report.findings.map(\.name) == (exitCode == 5 ? ["no_collector"] : []))
        }
        // The first traffic starts the holds of collectors that were never there: the finding stays.
        for (second, states) in [(11, [.holding(left: .seconds(9)), .empty]), (25, [.absent, .empty])]
            as [(Int64, [SlotState])]
        {
            let report = report(states, at: second)
            #expect(report.exitCode == 5 && report.over.isEmpty && report.new.isEmpty, "\(states)")
        }
    }

    @Test func `a pool that nobody has joined drops nothing: the kernel distributes its groups' traffic`() {
        let apart = [Self.ipfix, Self.bmp].map {
            DeliveryFacts.Group($0, isAttached: false, hadCollector: false, otherSockets: $0 == Self.ipfix ? 4 : 0)
        }
        let facts = Self.facts([.empty, .empty], groups: apart)
        #expect(facts.losses == [.unbound(Self.bmp)])
        #expect(facts.problems == [.groupNotJoined(Self.ipfix, otherSockets: true, isNewPool: true)])
        let text = facts.problems[0].text
        #expect(text.contains("the kernel distributes its traffic over the sockets that are bound there"), "\(text)")
        #expect(text.contains("register each collector, registered ones again, with a socket for udp port 4739"))
        #expect(Self.problems(Self.facts([.empty, .empty], groups: [apart[1]])) == [])
    }

    @Test
    func
        `a group that a reload added is a problem until a collector joins it, of another name once its program has come`()
    {
        let sflow = ReuseportGroup(name: "sflow", transport: .udp, address: .v4(0), port: 6_343)
        for (group, names, losses) in [
            (
                DeliveryFacts.Group(sflow, isAttached: false, hadCollector: false), ["group_not_joined"],
                TrafficLoss.unbound(sflow)
            ),
            (.init(sflow, isAttached: true, hadCollector: false), ["group_without_collector"], .group(sflow)),
        ] {
            let facts = Self.facts([.active, .active], groups: [.init(Self.ipfix), group])
            #expect(Self.problems(facts) == names)
            #expect(facts.losses == [losses])
        }
        let problem = AuditProblem.groupNotJoined(sflow, otherSockets: false, isNewPool: false)
        #expect(problem.level == .problem && problem.text.contains("the agent's program isn't attached to it"))
    }

    @Test func `a held collector without rows loses nothing, and one that starts may be held for longer`() {
        var facts = Self.facts([.active, .holding(left: .seconds(3)), .holding(left: .seconds(3))])
        facts.collectors[1].ownsRows = false
        facts.collectors[2].extendedHold = .seconds(28)
        #expect(facts.losses == [.held(collector: "c3", left: .seconds(28))])
    }

    @Test func `a drained collector's exporters aren't called elsewhere while the others' are lost`() {
        var facts = Self.facts([.draining, .failed, .failed], lostRows: 90)
        facts.collectors[2].lostRows = 90
        facts.collectors[1].ownsRows = false
        #expect(!facts.canFailOver("c2") && !facts.canFailOver("c3"))
        facts.lostRows = 0
        facts.collectors[2].lostRows = 0
        #expect(facts.canFailOver("c2"))
    }

    @Test func `a stalled collector's traffic counts as lost, unless its exporters are at others`() {
        let finding = AuditFinding(.stalled(Self.ipfix, collector: "c1"), since: 0)
        for (state, losses) in [("active", [finding.text]), ("stalled", [])] {
            var status = ReadinessTests.status([(state, ["ipfix", "bmp"])])
            status.lossesNow = []
            status.add([finding])
            #expect(status.lossesNow == losses && status.collectors[0].state == "stalled")
        }
    }

    @Test func `rows that no usable collector takes, because all drain, are a problem of the pool`() {
        var facts = Self.facts([.draining, .failed], lostRows: 90)
        facts.collectors[1].lostRows = 90
        #expect(facts.losses == [.exporters] && Self.problems(facts) == ["exporters_without_collector"])
        #expect(!facts.canFailOver("c2"))
        #expect(Self.facts([.active, .failed]).canFailOver("c2"))
        #expect(!Self.facts([.failed, .failed]).canFailOver("c2"))
    }

    @Test func `an outage between two audits is a finding at once, and other findings stay`() throws {
        var history = AuditHistory()
        let well = AuditFacts.State(delivery: Self.facts([.active, .active]))
        var facts = AuditTests.facts(probe: .unreachable)
        facts.state = well
        _ = history.judge(facts, at: AuditTests.moment(0))
        let gone = AuditFacts.State(delivery: Self.facts([.failed, .failed]))
        let begin = history.judge(gone, at: AuditTests.moment(2))
        #expect(begin.new.map(\.name) == ["no_collector"] && begin.over.isEmpty)
        #expect(begin.findings.map(\.name) == ["no_collector", "program_unverified"])
        try #require(begin.findings.count == 2)
        #expect(begin.findings[0].since == begin.findings[1].since + 2)
        #expect(history.judge(gone, at: AuditTests.moment(3)).new.isEmpty)
        facts.state = gone
        #expect(history.judge(facts, at: AuditTests.moment(5)).new.isEmpty, "the audit finds nothing new")
        let end = history.judge(well, at: AuditTests.moment(6))
        #expect(end.over.map(\.name) == ["no_collector"] && end.findings.map(\.name) == ["program_unverified"])
    }

    @Test func `a failed reload is a problem until one succeeds, also if the next one fails for another reason`()
        throws
    {
        var history = AuditHistory()
        func judge(_ cause: String?, _ second: Int64) -> AuditChanges {
            let failure = cause.map { Failure(.usage, act: "reload pool edge", cause: $0, remedy: "correct the file") }
            return history.judge(.init(reloadFailure: failure), at: AuditTests.moment(second))
        }
        let first = judge("it is not YAML", 0)
        try #require(first.new.count == 1)
        #expect(first.new.map(\.name) == ["reload_failed"] && first.new[0].level == .problem && first.new[0].isLogged)
        #expect(
            first.new[0].text == "configuration: the last reload failed, and the configuration before it stays in "
                + "force: cannot reload pool edge: it is not YAML; correct the file; the next reload that succeeds "
                + "ends this")
        let second = judge("it has no pool", 5)
        #expect(second.findings.count == 1 && second.over.isEmpty && second.findings[0].text.contains("no pool"))
        let end = judge(nil, 9)
        #expect(end.findings.isEmpty && end.over.map(\.name) == ["reload_failed"])
    }

    @Test func `the sockets of a group that the program hasn't come to are no strangers`() {
        var facts = AuditTests.facts([AuditTests.socket(5)], entries: [])
        for (isClaimed, names) in [(true, ["stranger_in_group"]), (false, [])] {
            facts.groups[0].isClaimed = isClaimed
            var history = AuditHistory()
            _ = history.judge(facts, at: AuditTests.moment(0))
            let report = history.judge(facts, at: AuditTests.moment(20))
            #expect(Set(report.findings.map(\.name)) == Set(names))
        }
    }
}

@Suite struct GroupClaimTests {
    private static func group(_ address: String, port: UInt16 = 4_739, ipv6Only: Bool = false) -> ReuseportGroup {
        ReuseportGroup(
            name: "g", transport: .udp, address: IPAddress(address)!, port: port, ipv6Only: ipv6Only)
    }

    private static func socket(
        _ address: String, port: UInt16 = 4_739, transport: ReuseportGroup.TransportProtocol = .udp,
        ipv6Only: Bool = false, interface: String? = nil, hasPeer: Bool = false
    ) -> BoundSocket {
        BoundSocket(
            transport: transport, address: IPAddress(address)!, port: port, ipv6Only: ipv6Only, interface: interface,
            hasPeer: hasPeer, cookie: 7)
    }

    @Test func `the agent's socket joins a group of its own, and one that would take no socket's traffic`() {
        let member = [Self.socket("0.0.0.0")]
        func mayJoin(_ sockets: [BoundSocket], isClaimed: Bool = false, own: Set<UInt64> = []) -> Bool {
            GroupClaim.mayJoin(Self.group("0.0.0.0"), isClaimed: isClaimed, among: sockets, own: own)
        }
        #expect(mayJoin([]) && mayJoin(member, isClaimed: true) && mayJoin(member, own: [7]))
        #expect(!mayJoin(member))
    }

    @Test func `a group takes the traffic of members and of wider sockets, not of narrower or unrelated ones`() {
        for (group, socket) in [
            (Self.group("0.0.0.0"), Self.socket("0.0.0.0")),
            // IPv4 of a dual-stack socket.
            (Self.group("0.0.0.0"), Self.socket("::")),
            (Self.group("192.0.2.1"), Self.socket("0.0.0.0")), (Self.group("192.0.2.1"), Self.socket("::")),
            (Self.group("2001:db8::1"), Self.socket("::")), (Self.group("::"), Self.socket("::")),
        ] { #expect(group.takesTraffic(of: socket), "\(group.endpoint), \(socket.address)") }
        for (group, socket) in [
            (Self.group("0.0.0.0"), Self.socket("192.0.2.1")),
            (Self.group("0.0.0.0"), Self.socket("::", ipv6Only: true)),
            (Self.group("::"), Self.socket("0.0.0.0")), (Self.group("0.0.0.0"), Self.socket("0.0.0.0", port: 2_055)),
            (Self.group("0.0.0.0"), Self.socket("0.0.0.0", transport: .tcp)),
            (Self.group("0.0.0.0"), Self.socket("0.0.0.0", interface: "eth3")),
            (Self.group("192.0.2.1"), Self.socket("0.0.0.0", hasPeer: true)),
            (Self.group("192.0.2.1"), Self.socket("192.0.2.2")),
        ] { #expect(!group.takesTraffic(of: socket), "\(group.endpoint), \(socket.address)") }
    }
}

@Suite struct ReadinessTests {
    static func status(_ collectors: [(state: String, groups: [String])], isAttached: Bool = true) -> PoolStatus {
        PoolStatus(
            pool: "edge", assignment: "rendezvous", tableSize: 256,
            collectors: collectors.enumerated().map { index, collector in
                let membership = PoolStatus.Membership(
                    cookie: 1, runs: 0, failedOver: 0, bytes: 0, queuedBytes: 0, drops: 0)
                return .init(
                    name: "c\(index + 1)", slot: index, state: collector.state, weight: 1, share: 0.5,
                    groups: Dictionary(uniqueKeysWithValues: collector.groups.map { ($0, membership) }))
            },
            groups: [("ipfix", "udp", 4_739), ("bmp", "tcp", 1_790)].map {
                .init(
                    name: $0.0, protocol: $0.1, address: "0.0.0.0", port: $0.2, attached: isAttached,
                    outcomes: .init(selected: 0, failedOver: 0, held: 0, noCollector: 0, badPacket: 0), droppedBytes: 0)
            })
    }

    @Test func `a host is ready with one usable collector in each group, whatever the others do`() {
        // Where a firewall drops the agent's probes, traffic is the first proof.
        for state in ["active", "draining", "queueing", "unverified"] {
            let readiness = Readiness(of: Self.status([(state, ["ipfix", "bmp"]), ("failed", []), ("holding", [])]))
            #expect(readiness == Readiness(of: Self.status([(state, ["ipfix", "bmp"])])) && readiness.ok)
        }
        let shared = Self.status([("active", ["ipfix"]), ("active", ["bmp"])])
        #expect(Readiness(of: shared).ok && !Health(of: Self.status([("failed", [])])).ok)
    }

    @Test func `a host isn't ready without a usable collector or the program in a group, and each reason is named`() {
        for state in ["empty", "holding", "failed", "stalled", "a state of a later version"] {
            let reasons = Readiness(of: Self.status([(state, ["ipfix", "bmp"])])).reasons
            #expect(reasons.count == 2 && reasons[0].hasPrefix("group ipfix has no usable collector; reuseport"))
        }
        let part = Readiness(of: Self.status([("active", ["ipfix"]), ("failed", ["bmp"])]))
        #expect(
            !part.ok
                && part.reasons == [
                    "group bmp has no usable collector; reuseport-agent status has the next step for each"
                ])
        // The finding says that an unverified collector receives nothing.
        let users = ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)
        let socket = AuditProblem.Culprit(AuditTests.socket(1))
        let finding = AuditFinding(
            .twoUsers(
                users, receiver: socket, loser: .init(socket: socket, collectors: ["c1"], percent: 50),
                receiverIsOurs: false), since: 0)
        var starved = Self.status([("unverified", ["ipfix", "bmp"])])
        starved.lossesNow = []
        starved.add([finding])
        #expect(Readiness(of: starved).reasons.count == 1 && starved.lossesNow == [finding.text])
        // One that has failed over loses nothing any more.
        var over = Self.status([("failed", ["ipfix", "bmp"])])
        over.lossesNow = []
        over.add([finding])
        #expect(over.lossesNow == [])
        let detached = Readiness(of: Self.status([("active", ["ipfix", "bmp"])], isAttached: false))
        #expect(detached.reasons.count == 2 && detached.reasons[0].contains("the agent's program isn't attached"))
    }
}
