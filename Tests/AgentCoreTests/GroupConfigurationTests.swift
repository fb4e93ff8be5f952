import PoolModel
import Testing

@testable import AgentCore

/// The keys of a group.
@Suite struct GroupConfigurationTests {
    @Test func `33 groups exceed a pool's limit of 32; the error has the line of the 33rd`() throws {
        func text(_ count: Int) -> String {
            let groups = (1...count).map { "  - {name: g\($0), protocol: udp, address: 0.0.0.0, port: \(5_000 + $0)}" }
            return "pool: edge\ncollectors: [c1]\ngroups:\n\(groups.joined(separator: "\n"))"
        }
        #expect(try ConfigurationText.read(text(32)).groups.count == 32)
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text(33)) }
        #expect(failure.description.contains("edge.yaml:36:5: group g33 is one more than a pool's 32 groups"))
    }

    @Test(arguments: [
        ("port: 0", "port 0"), ("port: 65536", "port 65536"), ("port: -1", "port -1"), ("port: 4739/udp", "port"),
        ("address: localhost", "address localhost is not an IPv4 or IPv6 address"), ("address: 0.0.0.0/0", "address"),
        ("address: \"::ffff:192.0.2.1\"", "IPv4-mapped address; write 192.0.2.1"),
        ("address: 224.0.0.18", "is a multicast address: the kernel gives a copy of each datagram to every collector"),
        ("address: 239.1.2.3", "let the exporters send to an address of this host"),
        ("address: \"ff02::1\"", "is a multicast address"), ("address: 255.255.255.255", "is a broadcast address"),
        ("address: \"fe80::1\"", "is link-local: its sockets are bound to an interface, and the group has none"),
        ("interface: \"eth 0\"", "interface \"eth 0\" is not the name of an interface; write it as ip link shows it"),
        ("interface: abcdefghijklmnop", "is not the name of an interface"),
        ("address: \"fe80::1%\"", " after % is not the name of an interface; write it like fe80::1%eth0"),
        ("protocol: sctp", "protocol sctp is not known; write udp or tcp"),
        ("protocol: UDP", "protocol UDP is not known"), ("ipv6_only: yes", "neither true nor false"),
        ("ipv6_only: true", "ipv6_only is set on the IPv4 address"), ("name: \"\"", "name"),
        ("nam: x", "has no key nam; write name"), ("proto: udp", "has no key proto; write protocol"),
    ])
    func `a group with one wrong key is refused`(wrong: String, message: String) throws {
        var keys = [
            "name": "name: g", "protocol": "protocol: udp", "address": "address: 0.0.0.0", "port": "port: 4739",
        ]
        keys[String(wrong.prefix { $0 != ":" })] = wrong
        let text = "pool: edge\ncollectors: [c1]\ngroups:\n  - {\(keys.values.sorted().joined(separator: ", "))}"
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text) }
        #expect(failure.description.contains(message), "\(failure)")
        #expect(failure.description.contains("edge.yaml:4"), "\(failure)")
    }

    @Test(arguments: [
        ("0.0.0.0", "0.0.0.0", true), ("0.0.0.0", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false),
        ("::", "0.0.0.0", true),
        ("::", "2001:db8::1", true), ("2001:db8::1", "0.0.0.0", false), ("2001:db8::1", "2001:db8::2", false),
    ])
    func `groups that could both get a packet overlap`(first: String, second: String, overlap: Bool) {
        let text = """
            pool: edge
            collectors: [c1]
            groups:
              - {name: a, protocol: udp, address: "\(first)", port: 4739}
              - {name: b, protocol: udp, address: "\(second)", port: 4739}
            """
        do {
            _ = try ConfigurationText.read(text)
            #expect(!overlap)
        } catch {
            #expect(overlap)
            #expect(error.description.contains("edge.yaml:5:5: group b (udp "), "\(error)")
            #expect(error.description.contains("overlaps with group a"))
        }
    }

    @Test func `another protocol, another port, or IPv6-only beside IPv4 don't overlap`() throws {
        let read = try ConfigurationText.read(
            """
            pool: edge
            collectors: [c1]
            groups:
              - {name: a, protocol: udp, address: 0.0.0.0, port: 4739}
              - {name: b, protocol: tcp, address: 0.0.0.0, port: 4739}
              - {name: c, protocol: udp, address: 0.0.0.0, port: 4740}
              - {name: d, protocol: udp, address: "::", port: 4739, ipv6_only: true}
            """)
        #expect(read.groups.count == 4)
    }

    @Test func `a group has an interface by its key, or by the zone of a link-local address`() throws {
        func group(_ keys: String) throws -> ReuseportGroup {
            let text = "pool: edge\ncollectors: [c1]\ngroups:\n  - {name: g, protocol: udp, port: 4739, \(keys)}"
            return try ConfigurationText.read(text).groups[0]
        }
        #expect(try group("address: 0.0.0.0, interface: vrf-red").endpoint == "udp 0.0.0.0%vrf-red:4739")
        let local = try group("address: \"fe80::1%eth0.100\"")
        #expect(local.address == IPAddress("fe80::1")! && local.interface == "eth0.100")
        #expect(local.endpoint == "udp [fe80::1%eth0.100]:4739")
        #expect(try group("address: \"fe80::1%eth0\", interface: eth0").interface == "eth0")
        let failure = try #require(throws: Failure.self) { _ = try group("address: \"fe80::1%eth0\", interface: eth1") }
        #expect(failure.description.contains("interface eth1 is another one than address fe80::1%eth0 has"))
    }

    @Test(arguments: [
        ("0.0.0.0", "0.0.0.0, interface: a", false), ("0.0.0.0, interface: a", "0.0.0.0, interface: a", true),
        ("0.0.0.0, interface: a", "0.0.0.0, interface: b", false), ("192.0.2.1, interface: a", "0.0.0.0", false),
        // The kernel prefers the address.
        ("0.0.0.0, interface: a", "192.0.2.1", true), ("0.0.0.0, interface: a", "192.0.2.1, interface: a", true),
    ])
    func `groups of different interfaces don't overlap`(first: String, second: String, overlap: Bool) {
        for (one, other) in [(first, second), (second, first)] {
            let text = """
                pool: edge
                collectors: [c1]
                groups:
                  - {name: a, protocol: udp, port: 4739, address: \(one)}
                  - {name: b, protocol: udp, port: 4739, address: \(other)}
                """
            #expect((try? ConfigurationText.read(text)) == nil ? overlap : !overlap)
        }
    }
}
