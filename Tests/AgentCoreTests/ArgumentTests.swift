import PoolModel
import Testing

@testable import AgentCore

@Suite struct ArgumentTests {
    @Test(arguments: [
        ("192.0.02.1", "it has leading zeros", "192.0.2.1"), ("010.0.0.00", "it has leading zeros", "10.0.0.0"),
        ("192.0.2.1/32", "it has a prefix length", "192.0.2.1"),
        ("2001:db8::/32", "it has a prefix length", "2001:db8::"),
        ("192.0.2.1:4739", "it has a port", "192.0.2.1"), ("[2001:db8::1]:80", "it has a port", "2001:db8::1"),
        ("[::1]", "it is in brackets", "::1"), ("fe80::1%eth0", "it has a zone", "fe80::1"),
        ("router1", "it is not an IPv4 or IPv6 address", "192.0.2.1 or"), ("", "it is not", "192.0.2.1 or"),
        ("1.2.3/8", "it is not", "192.0.2.1 or"), ("[", "it is not", "192.0.2.1 or"), ("...", "it is not", "192"),
    ])
    func `a refusal names the superfluous part of an address and writes the address without it`(
        text: String, cause: String, write: String
    )
        throws
    {
        let failure = try #require(throws: Failure.self) { try IPAddress(argument: text) }
        #expect(failure.kind == .usage)
        #expect(failure.cause.hasPrefix(cause))
        #expect(failure.remedy.hasPrefix("write \(write)") || failure.remedy.hasPrefix("write it like \(write)"))
    }

    @Test(
        arguments: [
            (["run", "--confg", "x"], "there is no option --confg; did you mean --config?"),
            (["run", "--conf=x"], "there is no option --conf; did you mean --config?"),
            (["run", "--zzzzzz"], "there is no option --zzzzzz"),
            (["rnu"], "there is no command rnu; did you mean run?"),
            (["zzzzzz"], "there is no command zzzzzz"),
            (["run", "--wait", "-0.5"], "--wait takes no negative number, like -0.5"),
            (["run", "--config"], nil), (["run", "--", "--zzz"], nil), (["run", "-5"], nil), ([], nil),
            (["--help"], nil),
        ] as [([String], String?)])
    func `an unknown option or command and a negative number are named`(arguments: [String], hint: String?) {
        let help = "USAGE: reuseport-agent run --config <file> [--wait <s>]"
        #expect(UsageHint.text(arguments, commands: ["run": help, "check": ""]) == hint)
    }
}
