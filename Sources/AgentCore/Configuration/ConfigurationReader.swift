import CBPFShim
import PoolModel
import SockArrayCore

/// Parses the text of a configuration into a pool's configuration, strictly: an unknown key or
/// value is an error that names the line and what to write instead.
struct ConfigurationReader {
    let text: String
    /// The name of the file in errors.
    let file: String

    func read() throws(Failure) -> PoolConfiguration {
        let top = try Section(root(), file: file, title: "the configuration")
        try top.allowOnly(ConfigurationKey.names())
        var configuration = PoolConfiguration(
            pool: try top.required("pool", like: "pool: edge").name(), collectors: try collectors(top),
            groups: try groups(top))
        if let value = try top.optional("on_move") { configuration.onMove = try value.choice(of: "on_move") }
        if let user = try top.optional("collector_user") { configuration.collectorUser = try user.user() }
        try readAssignment(top, into: &configuration)
        if let value = try top.optional("tracking") {
            configuration.tracking = try TrackingReader.read(value, file: file)
        }
        if let path = try top.optional("state_file") { configuration.stateFile = try path.absolutePath() }
        if let seed = try top.optional("seed") { configuration.seed = try seed.string() }
        if let hold = try top.optional("restart_hold") { configuration.restartHold = try hold.duration() }
        if let time = try top.optional("stalled_after") { configuration.stalledAfter = try stalledAfter(time) }
        if let value = try top.optional("stalled") { configuration.stalled = try value.choice(of: "stalled") }
        if let folder = try top.optional("bpffs") { configuration.bpffs = try folder.absolutePath() }
        configuration.controlSocket = try socketFile(top, "control_socket", or: configuration.controlSocket)
        configuration.statusSocket = try socketFile(top, "status_socket", or: configuration.statusSocket)
        if configuration.controlSocket.path == configuration.statusSocket.path {
            // The file has at least one of the keys, because the defaults differ.
            let key = try top.optional("status_socket") == nil ? "control_socket" : "status_socket"
            throw try top.required(key).problem(
                "control_socket and status_socket have the same path \(configuration.statusSocket.path)",
                "give each a path of its own")
        }
        if let value = try top.optional("status_http") {
            configuration.statusHTTP = try statusHTTP(value, besides: configuration.groups)
        }
        try readUsage(top, into: &configuration)
        return configuration
    }

    private func stalledAfter(_ value: Value) throws(Failure) -> Duration {
        let time = try value.duration()
        guard time >= .seconds(1) else {
            throw value.problem("stalled_after \(time.inUnits) is less than 1s", "write at least 1s")
        }
        return time
    }

    private func readUsage(_ top: Section, into configuration: inout PoolConfiguration) throws(Failure) {
        let reader = UsageReader(file: file, pool: configuration.pool)
        if let value = try top.optional("usage") { configuration.usage = try reader.usage(value) }
        guard let value = try top.optional("meter") else { return }
        configuration.meter = try reader.meter(value)
        guard configuration.usage != nil else {
            throw value.problem(
                "meter counts for usage events, and the configuration asks for none",
                "add the key usage, or remove meter")
        }
    }

    /// Reads `status_http`. The agent can't listen on an address that belongs to a group.
    private func statusHTTP(
        _ value: Value, besides groups: [ReuseportGroup]
    ) throws(Failure) -> PoolConfiguration.Endpoint {
        let endpoint = try value.endpoint()
        let place = ReuseportGroup(
            name: "status_http", transport: .tcp, address: endpoint.address, port: endpoint.port)
        if let group = groups.first(where: { $0.on(interface: nil).overlaps(place) }) {
            throw value.problem(
                "status_http \(endpoint) overlaps with group \(group.name) (\(group.endpoint))",
                "give it a port of its own, like \(endpoint.address.withPort(9_477))")
        }
        return endpoint
    }

    private func root() throws(Failure) -> YAMLNode {
        do {
            return try YAMLParser.document(text)
        } catch {
            throw Failure(.usage, act: "use \(file):\(error.mark)", cause: error.cause, remedy: error.remedy)
        }
    }

    private func readAssignment(
        _ top: Section, into configuration: inout PoolConfiguration
    ) throws(Failure) {
        if let value = try top.optional("assignment") {
            configuration.assignment = try value.choice(of: "assignment")
        }
        let assignment = configuration.assignment
        if let value = try top.optional("table_size") {
            guard assignment.hasAffinity else {
                throw value.problem("assignment \(assignment.rawValue) has no table", "remove table_size")
            }
            let size = try value.integer(in: BucketRow.tableSizes)
            guard assignment != .maglev || Maglev.isPrime(size) else {
                throw value.problem(
                    "table_size \(size) is not a prime, and maglev needs one", "use \(Maglev.prime(near: size))")
            }
            configuration.tableSize = size
        }
        guard let value = try top.optional("exporters") else { return }
        let entries = try value.entries()
        guard assignment.hasAffinity || entries.isEmpty else {
            throw value.problem(
                "assignment \(assignment.rawValue) can't use exporters, because the address doesn't decide",
                "remove exporters, or use rendezvous or maglev")
        }
        var reader = ExporterReader(file: file, collectors: configuration.collectors)
        for entry in entries { try reader.read(entry) }
        configuration.exporters = reader.exporters
    }

    private func collectors(_ top: Section) throws(Failure) -> [PoolConfiguration.Collector] {
        let list = try top.required("collectors", like: "collectors: [c1, c2]")
        var reader = CollectorReader(file: file)
        for entry in try list.list(orWrite: "at least one name, like [c1, c2]") { try reader.read(entry) }
        guard reader.collectors.count <= SlotAllocation.capacity else {
            throw list.problem(
                "\(reader.collectors.count) collectors are more than a pool can have, \(SlotAllocation.capacity)",
                "distribute them over several pools")
        }
        return reader.collectors
    }

    private func groups(_ top: Section) throws(Failure) -> [ReuseportGroup] {
        var groups: [ReuseportGroup] = []
        let example = "{name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}"
        for entry in try top.required("groups", like: "groups: [\(example)]").list(orWrite: "at least one: \(example)")
        {
            let group = try group(entry)
            for other in groups {
                if other.name == group.name {
                    throw entry.problem("group \(group.name) is there twice", "give each group a name of its own")
                }
                if other.overlaps(group) {
                    throw entry.problem(
                        "group \(group.name) (\(group.endpoint)) overlaps with group \(other.name) (\(other.endpoint)): "
                            + "the kernel gives packets for both to only one of them",
                        "keep one of them, or give them different ports")
                }
            }
            guard groups.count < PoolConfiguration.groupLimit else {
                throw entry.problem(
                    "group \(group.name) is one more than a pool's \(PoolConfiguration.groupLimit) groups",
                    "distribute them over several pools")
            }
            groups.append(group)
        }
        return groups
    }

    private func group(_ entry: Value) throws(Failure) -> ReuseportGroup {
        let section = try Section(entry.node, file: file, title: "a group")
        try section.allowOnly(ConfigurationKey.names(in: "groups[]"))
        let transportValue = try section.required("protocol", like: "protocol: udp")
        guard let transport = ReuseportGroup.TransportProtocol(rawValue: try transportValue.string()) else {
            throw transportValue.problem(
                "protocol \(try transportValue.string().prefix(80)) is not known", "write udp or tcp")
        }
        let (address, interface) = try boundAddress(section)
        var group = ReuseportGroup(
            name: try section.required("name").name(), transport: transport, address: address,
            port: UInt16(try section.required("port").integer(in: 1...65_535)), interface: interface)
        if let ipv6Only = try section.optional("ipv6_only") {
            group.ipv6Only = try ipv6Only.boolean()
            if case .v4 = group.address, group.ipv6Only {
                throw ipv6Only.problem("ipv6_only is set on the IPv4 address \(group.address)", "remove ipv6_only")
            }
        }
        return group
    }

    /// The keys `address` and `interface`. A link-local address may have the interface as its zone: `fe80::1%eth0`
    /// (RFC 4007, 11).
    private func boundAddress(_ section: Section) throws(Failure) -> (IPAddress, interface: String?) {
        let value = try section.required("address", like: "address: 0.0.0.0")
        let parts = try value.string().split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        let key = try section.optional("interface")
        let interface = try key.map { value throws(Failure) in try value.interface() }
        let address = try groupAddress(value, String(parts[0]), hasInterface: interface != nil || parts.count == 2)
        guard parts.count == 2 else { return (address, interface) }
        let zone = String(parts[1])
        guard Value.isInterface(zone) else {
            throw value.problem(
                "\(zone.prefix(80)) after % is not the name of an interface", "write it like fe80::1%eth0")
        }
        if let key, let interface, interface != zone {
            throw key.problem(
                "interface \(interface) is another one than address \(parts[0])%\(zone) has", "write one of them")
        }
        return (address, zone)
    }

    /// An address at which the program can select a collector.
    ///
    /// - Parameter text: of the value, without a zone.
    private func groupAddress(_ value: Value, _ text: String, hasInterface: Bool) throws(Failure) -> IPAddress {
        let address = try value.address(text)
        if address.isMulticast || address == .v4(.max) {
            throw value.problem(
                "address \(address) is a \(address.isMulticast ? "multicast" : "broadcast") address: the kernel gives a "
                    + "copy of each datagram to every collector, and runs no program",
                "let the exporters send to an address of this host, and write the address that the collectors bind, "
                    + "like 0.0.0.0")
        }
        if address.isIPv6LinkLocal, !hasInterface {
            throw value.problem(
                "address \(address) is link-local: its sockets are bound to an interface, and the group has none",
                "add the key interface, or write \(address)%eth0")
        }
        return address
    }

    private func socketFile(
        _ top: Section, _ key: String, or standard: PoolConfiguration.SocketFile
    ) throws(Failure) -> PoolConfiguration.SocketFile {
        guard let value = try top.optional(key) else { return standard }
        if let path = value.node.text {
            throw value.problem("\(key) is not a mapping", "write {path: \(path)}")
        }
        let section = try Section(value.node, file: file, title: key)
        try section.allowOnly(ConfigurationKey.names(in: key))
        var socket = standard
        if let path = try section.optional("path") { socket.path = try path.socketPath() }
        if let mode = try section.optional("mode") { socket.mode = try mode.permissions() }
        return socket
    }
}

extension ReuseportGroup {
    /// Whether a packet could belong to both groups. The kernel prefers the more specific
    /// address, and IPv4 over dual-stack, and reports no error.
    func overlaps(_ other: ReuseportGroup) -> Bool {
        guard transport == other.transport, port == other.port else { return false }
        switch (interface, other.interface) {
        case (let own?, let theirs?) where own != theirs: return false
        // What comes by the interface goes to one of them by the order of binding, but the other one has the rest.
        case (nil, _?): return address != other.address && other.covers(address)
        case (_?, nil): return address != other.address && covers(other.address)
        default: return address == other.address || covers(other.address) || other.covers(address)
        }
    }

    private func covers(_ address: IPAddress) -> Bool {
        switch (self.address, address) {
        case (.v4(0), .v4), (.v6(0, 0), .v6): true
        case (.v6(0, 0), .v4): !ipv6Only
        default: false
        }
    }
}
