import Testing

@testable import PoolModel

@Suite struct AddressPrefixTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("192.0.2.1/32", "192.0.2.1"), ("192.0.2.0/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"), ("2001:db8::/32", "2001:db8::/32"), ("::/0", "::/0"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ])
    func `a prefix is read from CIDR notation, IPv4-mapped as IPv4`(text: String, canonical: String) throws {
        #expect(try AddressPrefix(parsing: text).description == canonical)
    }

    @Test(arguments: [
        "", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.0/+8", "192.0.2/24",
        "2001:db8::/129", "fe80::1%eth0", "192.0.2.0/24/8", "::ffff:0.0.0.0/95", "host",
    ])
    func `text that isn't a prefix is refused`(text: String) {
        #expect(throws: AddressPrefix.ParseError.notAPrefix) { try AddressPrefix(parsing: text) }
    }

    @Test func `bits beyond the length are an error that names the prefix`() throws {
        let meant = try AddressPrefix(parsing: "192.0.2.0/24")
        #expect(throws: AddressPrefix.ParseError.hasHostBits(meant)) { try AddressPrefix(parsing: "192.0.2.77/24") }
    }

    @Test func `::/0 covers no IPv4 address, not even a mapped one`() throws {
        let all = try AddressPrefix(parsing: "::/0")
        #expect(!all.covers(AddressPrefix(try #require(IPAddress("::ffff:192.0.2.1")))))
        #expect(all.covers(AddressPrefix(try #require(IPAddress("2001:db8::1")))))
    }
}
