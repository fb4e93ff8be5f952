import SockArrayCore
extension PoolConfiguration {
    static func load(path: String) throws(Failure) -> PoolConfiguration {
        PoolConfiguration(pool: "edge", collectors: (1...4).map { Collector(name: "c\($0)") }, groups: [
            ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4739),
            ReuseportGroup(name: "bmp", transport: .tcp, address: .v4(0), port: 1790)])
    }
}
