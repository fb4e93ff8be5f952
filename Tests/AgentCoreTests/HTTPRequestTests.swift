import Testing

@testable import AgentCore

@Suite struct HTTPRequestTests {
    private func read(_ text: String) throws(HTTPProblem) -> HTTPRequest? { try HTTPRequest.read(Array(text.utf8)) }

    private func request(_ text: String) -> HTTPRequest? { try? read(text) }

    private func status(_ text: String) -> Int? {
        do throws(HTTPProblem) { _ = try read(text) } catch { return error.status }
        return nil
    }

    @Test func `a GET is read up to the empty line: path, parameters and fields, decoded`() throws {
        let read = try #require(
            request(
                "GET /exporters?sort=-runs&prefix=2001%3adb8::%2F32 HTTP/1.1\r\nHost: a:1\r\nX-Y: \t z \r\n\r\nrest"))
        #expect(read.method == "GET" && read.path == "/exporters" && read.minorVersion == 1)
        #expect(
            read.parameters == [.init(name: "sort", value: "-runs"), .init(name: "prefix", value: "2001:db8::/32")])
        #expect(read.fields == [.init(name: "host", value: "a:1"), .init(name: "x-y", value: "z")])
        #expect(request("GET / HTTP/1.0\n\n")?.minorVersion == 0)
        #expect(request("GET /a%20b HTTP/1.7\r\nhost:\r\n\r\n")?.path == "/a b")
        #expect(request("\r\nHEAD /status? HTTP/1.1\r\nHost: x\r\n\r\n")?.parameters == [])
    }

    @Test func `the absolute form is accepted, as RFC 9112 3_2_2 requires`() {
        #expect(request("GET http://agent/status?a=b HTTP/1.1\r\nHost: x\r\n\r\n")?.path == "/status")
        #expect(request("GET HTTP://agent HTTP/1.1\r\nHost: x\r\n\r\n")?.path == "/")
        #expect(request("GET http://agent?a=b HTTP/1.1\r\nHost: x\r\n\r\n")?.parameters.count == 1)
        #expect(status("GET http:///status HTTP/1.1\r\nHost: x\r\n\r\n") == 400)
        #expect(status("GET https://agent/ HTTP/1.1\r\nHost: x\r\n\r\n") == 400)
    }

    @Test(arguments: [
        "", "\r\n", "G", "GET / HTTP/1.1", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
    ])
    func `half a head is incomplete`(text: String) throws { #expect(try read(text) == nil) }

    @Test(arguments: [
        "\u{0}", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET status HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/2\r\n\r\n", "G(T / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n", "GET / HTTP/1.1\r\na b: x\r\n\r\n", "GET /\u{7f} HTTP/1.1\r\n\r\n",
        // Space before the colon, a folded line, a bare CR, a NUL: what smuggles requests.
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\ry: z\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\na: \u{0}\r\n\r\n",
        // No Host, two, and what is none.
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "GET / HTTP/1.1\r\nHost: u@b\r\n\r\n",
        // A body that may be there or not.
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        // Targets.
        "GET /% HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?=a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?a=1&a=2 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?a=1&&b=2 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    ])
    func `a malformed or ambiguous request is refused with 400`(text: String) { #expect(status(text) == 400) }

    @Test func `a long target gets 414, a large head 431, a body 413, another version 505`() {
        let long = String(repeating: "x", count: 4_096)
        #expect(status("GET /\(long) HTTP/1.1\r\nHost: a\r\n\r\n") == 414)
        // Before its end has come.
        #expect(status("GET /\(long)") == 414)
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\nx: \(long)\(long)") == 431)
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "a: b\r\n", count: 64) + "\r\n") == 431)
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello") == 413)
        #expect(request("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") != nil)
        #expect(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505)
    }

    @Test func `other methods keep their own targets and bodies, so that they are refused by method`() {
        for text in [
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            #expect(request(text).map { $0.method == "GET" } == false)
        }
    }

    @Test(arguments: [
        ("127.0.0.1:9477", false), ("[::1]:9477", false), ("localhost", false), ("LocalHost:80", false), ("", false),
        ("agent.example", true), ("agent.example:9477", true), ("127.0.0.1.example", true), ("[x]", true),
    ])
    func `a Host other than localhost is foreign`(host: String, isForeign: Bool) {
        let request = request("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        #expect(request?.hasForeignHost == isForeign)
    }

    @Test func `random and mutated heads never trap, and each accepted head has a path`() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("GET /status?a=%41&b=- HTTP/1.1\r\nHost: x\r\n:\r\n\r\n\0\u{ff}%\t".utf8)
        let whole = Array(
            "GET /exporters?sort=-bytes&limit=1%30 HTTP/1.1\r\nHost: [::1]:9477\r\nAccept: */*\r\n\r\n".utf8)
        var readCount = 0
        for round in 0..<100_000 {
            var head = whole
            if round % 2 == 0 {
                head = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                    alphabet.randomElement(using: &generator)!
                }
            } else {
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let index = Int.random(in: 0..<head.count, using: &generator)
                    switch Int.random(in: 0..<3, using: &generator) {
                    case 0: head[index] = UInt8.random(in: 0...255, using: &generator)
                    case 1: head.remove(at: index)
                    default: head.insert(alphabet.randomElement(using: &generator)!, at: index)
                    }
                }
            }
            guard let request = try? HTTPRequest.read(head) else { continue }
            readCount += 1
            #expect(request.method != "GET" || request.path.hasPrefix("/"))
        }
        #expect(readCount > 1_000, "\(readCount)")
    }

    @Test func `a response has its length, its date, and headers that stop a browser from guessing`() {
        let response = HTTPResponse(
            type: "text/html; charset=utf-8", body: Array("<p>".utf8), policy: "default-src 'none'")
        let text = String(decoding: response.bytes(), as: UTF8.self)
        for field in [
            "HTTP/1.1 200 OK\r\n", "Content-Length: 3\r\n", "X-Content-Type-Options: nosniff\r\n",
            "Content-Security-Policy: default-src 'none'\r\n", "Connection: close\r\n", "\r\n\r\n<p>",
        ] {
            #expect(text.contains(field), "\(field)")
        }
        let head = String(decoding: response.bytes(isHead: true), as: UTF8.self)
        #expect(head.contains("Content-Length: 3\r\n") && head.hasSuffix("\r\n\r\n"))
        #expect(HTTPResponse.date(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test func `clients may take a quarter of the open files, and never more than 512`() {
        func limits(_ files: Int) -> ConnectionLimits { .status(openFiles: files) }
        #expect([64, 256, 1_024, 65_536].map { limits($0).connections } == [16, 64, 256, 512])
        #expect([64, 1_024].map { limits($0).streams } == [4, 32])
    }
}
