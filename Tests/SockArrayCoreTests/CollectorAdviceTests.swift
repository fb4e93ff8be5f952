import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct CollectorAdviceTests {
    private static func advice(
        _ state: SlotState, registrations: Bool = true, hasAffinity: Bool = true, canFailOver: Bool = true,
        isDraining: Bool = false, weight: Int = 1, _ recognition: Recognition? = nil
    ) -> String? {
        CollectorAdvice.text(
            for: .init(name: "c1", weight: weight, recognition: recognition), state, hasRegistered: registrations,
            hasAffinity: hasAffinity, absence: HoldText(hasAffinity: hasAffinity, canFailOver: canFailOver),
            hold: .seconds(10), isDraining: isDraining)
    }

    @Test func `an active collector needs no advice, every other state has its own`() throws {
        #expect(Self.advice(.active) == nil)
        let states: [SlotState] = [
            .empty, .absent, .draining, .holding(left: .seconds(1)), .failed, .unverified, .queueing,
        ]
        let texts = try states.map {
            try #require(Self.advice($0, registrations: $0 != .empty && $0 != .absent))
        }
        #expect(Set(texts).count == 7 && texts.allSatisfy { $0.contains("; ") })
        // The text doesn't change each second.
        #expect(Self.advice(.holding(left: .seconds(7))) == texts[3])
    }

    @Test func `a collector that never came is described as such before, during and after its hold`() throws {
        for state in [SlotState.empty, .holding(left: .seconds(1)), .absent] {
            let text = try #require(Self.advice(state, registrations: false))
            #expect(text.hasPrefix("it never registered, and ") && text.contains("; start it by: "), "\(text)")
        }
        #expect(Self.advice(.absent, registrations: false)?.contains("are at other collectors") == true)
    }

    @Test func `the next step fits how the configuration recognises the collector`() throws {
        let unit = Recognition.unit(try UnitName("nfacctd@c1"))
        #expect(
            Self.advice(.failed, unit)
                == "its exporters are at other collectors; start it again (systemctl start nfacctd@c1.service), "
                + "and the agent registers it by its unit")
        #expect(
            Self.advice(.failed, .pidFile("/run/c1.pid"))?.hasSuffix(
                "start it again, and the agent recognizes it by its pid_file /run/c1.pid and registers it") == true)
        #expect(
            Self.advice(.failed)?.hasSuffix(
                "start it again by: reuseport-agent exec --collector c1 -- COMMAND, "
                    + "or, if it runs: reuseport-agent register --collector c1 --pid PID") == true)
    }

    @Test func `advice for a draining collector has the command to end it, or says that it left the configuration`() {
        #expect(Self.advice(.draining)?.hasSuffix("reuseport-agent undrain --collector c1") == true)
        for state in [SlotState.empty, .absent, .holding(left: .seconds(1)), .failed] {
            let text = Self.advice(state, registrations: state == .failed, isDraining: true)
            #expect(
                text?.hasSuffix("; it is also draining, until: reuseport-agent undrain --collector c1") == true,
                "\(text ?? "")")
        }
        #expect(Self.advice(.draining, weight: 0)?.hasPrefix("it left the configuration") == true)
    }

    @Test func `without affinity no traffic waits in any of 7 states: the others share the collector's turns`()
        throws
    {
        let states: [SlotState] = [
            .empty, .absent, .draining, .holding(left: .seconds(1)), .failed, .unverified, .queueing,
        ]
        for state in states {
            for isDraining in [false, true] {
                let text = try #require(Self.advice(state, hasAffinity: false, isDraining: isDraining))
                #expect(!text.contains("held") && !text.contains("exporters"), "\(text)")
            }
        }
        for state in [SlotState.holding(left: .seconds(1)), .failed] {
            #expect(
                Self.advice(state, hasAffinity: false)?.hasPrefix("its turns go to the others; start it again by: ")
                    == true)
        }
        #expect(
            Self.advice(.absent, registrations: false, hasAffinity: false)?.hasPrefix(
                "it never registered, and its turns go to the others; start it by: ") == true)
        #expect(Self.advice(.draining, hasAffinity: false)?.hasPrefix("it gets no more turns, and keeps") == true)
        #expect(
            Self.advice(.draining, hasAffinity: false, weight: 0)?.contains("exporters") == false)
    }

    @Test func `when no other collector is usable, advice says that traffic is dropped, during the hold and after it`()
        throws
    {
        for state in [SlotState.holding(left: .seconds(1)), .failed, .absent] {
            let text = try #require(Self.advice(state, registrations: state != .absent, canFailOver: false))
            #expect(text.contains("no other collector can take its exporters, and their traffic is dropped; start it"))
            let turns = try #require(Self.advice(state, hasAffinity: false, canFailOver: false))
            #expect(turns.hasPrefix("no collector is usable, and all traffic is dropped; start it again"), "\(turns)")
        }
    }

    @Test func `each reason of health has a next step, and a group with a finding is reported once`() {
        var status = PoolStatus(
            pool: "edge", assignment: "rendezvous", tableSize: 256,
            collectors: [
                .init(
                    name: "c1", slot: 0, state: "holding", advice: Self.advice(.holding(left: .seconds(1))), weight: 1,
                    share: 1, groups: [:]),
                .init(
                    name: "c2", slot: 1, state: "active", weight: 1, share: 1,
                    groups: ["bmp": .init(runs: 0, failedOver: 0, bytes: 0, queuedBytes: 0, drops: 0)]),
            ],
            groups: [
                .init(
                    name: "bmp", protocol: "tcp", address: "::", port: 1_790, attached: false,
                    outcomes: .init(selected: 0, failedOver: 0, held: 0, noCollector: 0, badPacket: 0), droppedBytes: 0)
            ])
        let reasons = Health(of: status).reasons
        #expect(reasons.count == 3)
        #expect(
            reasons[0].hasPrefix(
                "collector c1 is holding: its exporters' traffic is dropped for up to 10 s; start it again by: "))
        #expect(reasons[1].contains("no socket in group bmp: no usable collector has one; let it bind"))
        #expect(reasons[1].contains("register it again: "))
        var other = status
        other.collectors.append(status.collectors[1])
        other.collectors[2].groups["bmp"]?.cookie = 7
        #expect(Health(of: other).reasons[1].contains("group bmp: that traffic goes to other collectors; let it bind"))
        #expect(
            reasons[2].hasPrefix("group bmp has no registered socket, and therefore no program; register a collector"))
        let group = ReuseportGroup(name: "bmp", transport: .tcp, address: .v6(0, 0), port: 1_790)
        status.add([AuditFinding(.programUnreachable(group), since: 1)])
        let found = Health(of: status).reasons
        #expect(found.count == 3 && found[2].hasPrefix("program_unverified: "), "\(found)")
    }
}
