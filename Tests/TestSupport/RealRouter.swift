import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab

/// A router made of real parts: gobgpd, that learns routes from a BGP neighbor
/// and reports them over BMP, and pmacctd's nfprobe, that exports IPFIX. Both
/// send from the router's own address: it must be local (in a sandbox all are).
public final class RealRouter {
    public let address: IPAddress
    private let sandbox: Sandbox
    private let speaker: ChildProcess
    private let neighbor: ChildProcess
    private let speakerAPI: String
    private let neighborAPI: String

    public static var isInstalled: Bool {
        ["/usr/bin/gobgpd", "/usr/bin/gobgp", "/usr/sbin/pmacctd"].allSatisfy { (path: String) in
            access(path, X_OK) == 0
        }
    }

    /// - Parameters:
    ///   - number: 1 … 100, for addresses of its BGP session on loopback.
    ///   - routes: what its neighbor announces, `10.1.1.0/24`.
    public init(_ address: IPAddress, number: Int, routes: [String], in sandbox: Sandbox) throws {
        self.address = address
        self.sandbox = sandbox
        speakerAPI = "127.0.1.\(number)"
        neighborAPI = "127.0.2.\(number)"
        speaker = try Self.start(
            """
            [global.config]
              as = 65001
              router-id = "\(address)"
              port = 1179
              local-address-list = ["\(speakerAPI)"]
            [[neighbors]]
              [neighbors.config]
                neighbor-address = "\(neighborAPI)"
                peer-as = 65002
              [neighbors.transport.config]
                passive-mode = true
                local-address = "\(speakerAPI)"
            # The kernel picks the destination itself as the source of a connection
            # to a local address: so it comes from the router's.
            [[bmp-servers]]
              [bmp-servers.config]
                address = "\(address)"
                port = 1790
                route-monitoring-policy = "pre-policy"
            """, api: speakerAPI, sandbox)
        neighbor = try Self.start(
            """
            [global.config]
              as = 65002
              router-id = "10.255.0.\(number)"
              port = 1179
              local-address-list = ["\(neighborAPI)"]
            [[neighbors]]
              [neighbors.config]
                neighbor-address = "\(speakerAPI)"
                peer-as = 65001
              [neighbors.transport.config]
                remote-port = 1179
                local-address = "\(neighborAPI)"
              [neighbors.timers.config]
                connect-retry = 1
                idle-hold-time-after-reset = 1
            """, api: neighborAPI, sandbox)
        for route in routes {
            let arguments = ["gobgp", "-u", neighborAPI, "global", "rib", "add", route, "nexthop", "10.254.0.1"]
            guard waitUntil(.seconds(10), every: .milliseconds(200), { (try? run(arguments)) == 0 }) else {
                throw LabError("gobgp can't add \(route): \(neighbor.output)")
            }
        }
    }

    /// Waits until the BGP session is up, so that BMP has a peer and routes to report.
    public func waitUntilEstablished(_ limit: Duration = .seconds(30)) -> Bool {
        waitUntil(limit, every: .milliseconds(300)) {
            guard let list = try? ChildProcess(["gobgp", "-u", speakerAPI, "neighbor"], in: sandbox) else {
                return false
            }
            _ = try? list.wait()
            return list.output.contains("Establ")
        }
    }

    /// Exports the traffic of a capture as IPFIX and ends.
    public func export(traffic capture: String) throws {
        let configuration = sandbox.newPath("probe.conf")
        try FileText.write(
            """
            pcap_savefile: \(capture)
            plugins: nfprobe
            aggregate: src_host, dst_host, src_port, dst_port, proto
            nfprobe_receiver: 127.0.0.1:4739
            nfprobe_version: 10
            nfprobe_source_ip: \(address)
            nfprobe_timeouts: tcp=1:maxlife=2:general=1:udp=1:expint=1

            """, to: configuration)
        let probe = try ChildProcess(["pmacctd", "-f", configuration], in: sandbox)
        try probe.wait(.seconds(30))
    }

    private static func start(_ configuration: String, api: String, _ sandbox: Sandbox) throws -> ChildProcess {
        let path = sandbox.newPath("gobgpd.toml")
        try FileText.write(configuration, to: path)
        return try ChildProcess(["gobgpd", "-f", path, "--api-hosts", "\(api):50051", "--pprof-disable"], in: sandbox)
    }

    private func run(_ arguments: [String]) throws -> Int32 { try ChildProcess(arguments, in: sandbox).wait() }
}
