import Testing

@testable import PoolModel
@testable import PoolReport

/// Multicast groups in the kernel's lists, and the finding about collectors that joined one.
@Suite struct JoinedMulticastTests {
    @Test func `of /proc/net/igmp, all groups but 224.0.0.1 are read with their interface`() {
        // On a little-endian host: the kernel prints the word of the address in the host's byte order.
        func word(_ address: UInt32) -> String {
            let digits = String(address.bigEndian, radix: 16, uppercase: true)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
        let text = """
            Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
            1\tlo        :     2      V3
            \t\t\t\t\(word(0xef01_0102))     1 0:00000000\t\t0
            \t\t\t\t\(word(0xe000_0001))     1 0:00000000\t\t0
            12\tenp0s31f6.1000:     2      V2
            \t\t\t\t\(word(0xef01_0101))     3 1:0000007D\t\t1
            \t\t\t\t\(word(0xe000_0001))     1 0:00000000\t\t0

            """
        #expect(
            JoinedMulticast.all(inIGMP: text) == [
                .init(.v4(0xef01_0102), interface: 1), .init(.v4(0xef01_0101), interface: 12),
            ])
        #expect(JoinedMulticast.all(inIGMP: "").isEmpty)
        #expect(JoinedMulticast.all(inIGMP: "\t\t\t\t020101EF     1 0:00000000\t\t0\nx\n\t0\n\tGGGGGGGG 1").isEmpty)
    }

    @Test func `of /proc/net/igmp6, the groups that each interface has by itself are left out`() {
        let text = """
            1    lo              ff150000000000000000000000000006     1 00000004 0
            1    lo              ff020000000000000000000000000001     1 0000000C 0
            1    lo              ff010000000000000000000000000001     1 00000008 0
            3    eth0            ff0200000000000000000001ff4354fc     1 00000004 0
            3    eth0            ff020000000000000000000000000016     1 00000004 0
            3    eth0            ff02
            """
        #expect(
            JoinedMulticast.all(inIGMP6: text) == [
                .init(IPAddress("ff15::6")!, interface: 1), .init(IPAddress("ff02::16")!, interface: 3),
            ])
    }

    @Test(arguments: [
        ("239.1.1.1", "0.0.0.0", false, true), ("239.1.1.1", "::", false, true), ("239.1.1.1", "::", true, false),
        ("ff15::6", "::", false, true), ("ff15::6", "::", true, true), ("ff15::6", "0.0.0.0", false, false),
        ("239.1.1.1", "192.0.2.1", false, false), ("ff15::6", "2001:db8::1", false, false),
    ])
    func `only UDP sockets at a wildcard address of the family receive multicast`(
        group: String, bound: String, ipv6Only: Bool, canReach: Bool
    ) {
        let joined = JoinedMulticast(IPAddress(group)!, interface: 1)
        var socket = SocketFacts(kind: .udp, address: IPAddress(bound)!, port: 4_739, ipv6Only: ipv6Only, cookie: 1)
        #expect(joined.canReach(socket) == canReach)
        socket.kind = .tcp
        #expect(!joined.canReach(socket))
    }

    @Test func `a collector that joined multicast groups is a problem at once, and over when it isn't registered`() {
        var history = AuditHistory()
        var facts = AuditTests.facts()
        facts.groups[0].multicast = [.init(collector: "c2", addresses: [.v4(0xef01_0101)])]
        let report = history.judge(facts, at: AuditTests.moment(0))
        #expect(report.findings.map(\.name) == ["multicast_joined"] && report.exitCode == 5)
        let finding = report.findings.first
        #expect(finding?.level == .problem && finding?.group == "ipfix" && finding?.collector == "c2")
        #expect(finding?.isOutage == false)
        #expect(
            finding?.text
                == "group ipfix (udp 0.0.0.0:4739): collector c2 joined the multicast group 239.1.1.1: the kernel "
                + "gives a copy of what is sent there to each socket that is bound to the port, past the program: data "
                + "is counted several times, and doesn't reach the exporter's collector alone; let the exporters send "
                + "to a unicast address of this host, and start c2 again without the multicast groups (pmacct: "
                + "nfacctd_mcast_groups)")
        #expect(report.checks.filter { !$0.ok }.map(\.check) == ["group ipfix: multicast"])
        let over = history.judge(AuditTests.facts(), at: AuditTests.moment(5))
        #expect(over.findings.isEmpty && over.over.map(\.name) == ["multicast_joined"])
        facts.groups[0].multicast[0].addresses.append(IPAddress("ff15::6")!)
        let both = history.judge(facts, at: AuditTests.moment(10)).findings.first
        #expect(both?.text.contains("joined the multicast groups 239.1.1.1, ff15::6: ") == true)
    }
}
