import TelemetryLab
import TestSupport
import Testing

@testable import AgentCore

/// The files of examples/ beside the code and beside each other.
@Suite struct ExampleTests {
    @Test func `the example configuration shows each key`() throws {
        let text = try #require(FileText.read(Checkout.examples + "/reuseport-agent.yaml"))
        for key in ConfigurationKey.all {
            let name = key.path.split(separator: ".").last!
            #expect(text.contains("\(name):"), "\(key.path)")
        }
    }

    @Test func `nfacctd.conf keeps its files in folders that its unit makes, and that PrivateTmp leaves alone`() throws
    {
        let unit = try #require(FileText.read(Checkout.examples + "/systemd/nfacctd@.service"))
        let places = ["RuntimeDirectory": "/run/", "StateDirectory": "/var/lib/", "LogsDirectory": "/var/log/"]
        let folders = unit.split(separator: "\n").compactMap { line -> String? in
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let place = places[String(parts[0])] else { return nil }
            return place + parts[1].replacing("%i", with: "c1") + "/"
        }
        #expect(folders.count == 3 && unit.contains("PrivateTmp=yes"))
        let example = NfacctdConfiguration.example
        for key in [
            "pidfile", "logfile", "nfacctd_templates_file", "print_output_file[flows]", "bmp_daemon_msglog_file",
        ] {
            let path = try #require(example[key], "\(key)")
            #expect(folders.contains { path.hasPrefix($0) }, "\(key): \(path)")
        }
    }
}
