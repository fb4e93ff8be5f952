import PoolModel
import Testing

@testable import TelemetryLab

@Suite struct CaptureTests {
    /// This file's package.
    private static let folder =
        String(#filePath.prefix(#filePath.count - "Tests/TelemetryLabTests/CaptureTests.swift".count))
        + "examples/captures"

    @Test func `the 8 captures have the packets that their README counts`() throws {
        let captures = try Capture.all(in: Self.folder)
        let found = captures.map { "\($0.exporter) \($0.datagrams.count) \($0.stream.isEmpty ? "-" : "BMP")" }
        #expect(
            found == [
                "138.187.0.13 6 -", "138.187.57.55 40 -", "10.10.0.33 25 -", "192.0.2.61 0 BMP", "192.0.2.55 0 BMP",
                "198.51.100.44 0 BMP", "203.0.113.90 583 BMP", "203.0.113.91 277 BMP",
            ])
    }

    /// The last message of 202-02 is cut short in the capture itself.
    @Test func `BMP streams are messages by their own lengths: 103, 87, 66, 178 and 178`() throws {
        let counts = try Capture.all(in: Self.folder).filter { !$0.stream.isEmpty }.map { capture in
            var reader = ByteReader(capture.stream[...])
            var count = 0
            while reader.byte() == 3, let length = reader.word(), reader.take(Int(length) - 5) != nil { count += 1 }
            return count
        }
        #expect(counts == [103, 87, 66, 178, 178])
    }

    @Test func `a file cut at any place never traps, and gives what came before`() throws {
        let bytes = try #require(
            FileText.readBytes(Self.folder + "/" + FileText.names(in: Self.folder).first { $0.hasSuffix("pcap") }!))
        var last = 0
        for length in 0...bytes.count {
            let count = (try? Capture(name: "cut", bytes: Array(bytes[..<length])))?.datagrams.count ?? 0
            #expect(count >= last)
            last = count
        }
        #expect(last == 6)
    }

    @Test func `segments out of order or twice give each byte once`() {
        var stream = TCPBytes()
        stream.add([1, 2, 3], at: 0xffff_fffe)
        stream.add([2, 3], at: 0xffff_ffff)
        stream.add([3, 4, 5], at: 0)
        stream.add([9], at: 100)
        #expect(stream.bytes == [1, 2, 3, 4, 5])
    }
}

@Suite struct GeneratorTests {
    @Test func `an IPFIX message says its own length, and its template names 7 elements`() {
        let template = IPFIXMessage(domain: 7).template(at: 1)
        #expect(template.count == 16 + 4 + 4 + 7 * 4)
        #expect(Array(template[0..<4]) == [0, 10, 0, UInt8(template.count)])
        let data = IPFIXMessage(domain: 7).data([.init(source: 1, destination: 2, packets: 3, octets: 4)], at: 1)
        #expect(data.count == 16 + 4 + 21)
    }

    @Test func `a BMP session is initiation, peer up and one message a route`() {
        var reader = ByteReader(BMPSession(systemName: "r1").opening(routes: [0x0a01_0000, 0x0a02_0000])[...])
        var types: [UInt8] = []
        while reader.byte() == 3, let length = reader.word(), let type = reader.byte(),
            reader.take(Int(length) - 6) != nil
        {
            types.append(type)
        }
        #expect(types == [4, 3, 0, 0])
        #expect(reader.rest.isEmpty)
    }

    @Test func `an nfacctd configuration is changed in place, a key that isn't there is an error`() throws {
        var configuration = NfacctdConfiguration.example
        try configuration.set(["nfacctd_port": "9991"])
        #expect(configuration["nfacctd_port"] == "9991")
        #expect(configuration["bmp_daemon_port"] == "1790")
        #expect(throws: LabError.self) { try configuration.set(["nfacct_port": "1"]) }
    }

    @Test func `pmacct's JSON lines are summed by a key`() {
        let lines =
            "{\"peer_ip_src\": \"192.0.2.1\", \"packets\": 3}\n{\"peer_ip_src\": \"192.0.2.1\", \"packets\": 4, \"x\": 1}\n{\"a\": 1}\n"
        #expect(FlowLines.sum(lines, of: "packets", by: "peer_ip_src") == ["192.0.2.1": 7])
        #expect(FlowLines.sum(lines, of: nil, by: "peer_ip_src") == ["192.0.2.1": 2])
    }
}
