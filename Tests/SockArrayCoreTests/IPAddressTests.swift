import Testing

@testable import PoolModel

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("::1", "::1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:0:2:3:0:0:4", "1::2:3:0:0:4"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("::ffff:c000:0201", "::ffff:192.0.2.1"),
        ("fe80::1:2:3:4", "fe80::1:2:3:4"), ("1::", "1::"), ("0:0:0:1::", "0:0:0:1::"),
        ("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"),
    ])
    func `an address is written as RFC 5952 says`(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "1..2.3", "a.b.c.d", "+1.2.3.4",
        ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "fe80::1%eth0",
        "::1/64", "1:2:3:4:5:6:7:8::", "::1.2.3", "1.2.3.4::", "::+1", "[::1]",
    ])
    func `text that inet_pton refuses is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `an IPv4-mapped address is unmapped, no other is`() {
        #expect(IPAddress("::ffff:192.0.2.1")?.unmapped == IPAddress("192.0.2.1"))
        #expect(IPAddress("::192.0.2.1")?.unmapped == IPAddress("::192.0.2.1"))
        #expect(IPAddress("2001:db8::1")?.unmapped == IPAddress("2001:db8::1"))
    }

    @Test func `an endpoint with IPv6 has brackets`() {
        let group = ReuseportGroup(name: "bmp", transport: .tcp, address: .v6(0, 0), port: 1790)
        #expect(group.endpoint == "tcp [::]:1790")
    }
}
