import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// A pool of one group in the kernel, whose collectors read nothing: the kernel drops datagrams
/// that don't fit, after the program ran.
final class BenchPool {
    let port: UInt16
    let kernel: Pool
    private let collectorCount: Int
    private var members: [OfferedSocket] = []
    /// An additional member of the group, through which programs are attached.
    private let handle: Descriptor

    convenience init(
        _ name: String, port: UInt16, _ collectors: Int, _ tableSize: Int?, _ tracking: Tracking
    ) throws {
        try self.init(name, port: port, collectors) { ($0.tableSize, $0.tracking) = (tableSize, tracking) }
    }

    /// - Parameter change: changes the default configuration: rendezvous, with tracking.
    init(_ name: String, port: UInt16, _ collectors: Int, _ change: (inout PoolConfiguration) -> Void) throws {
        (self.port, collectorCount) = (port, collectors)
        var configuration = PoolConfiguration(
            pool: name, collectors: (0..<collectors).map { .init(name: "c\($0)") },
            groups: [ReuseportGroup(name: "bench", transport: .udp, address: .v4(0), port: port)])
        change(&configuration)
        kernel = try Pool(adopting: configuration)
        for index in 0..<collectors {
            members.append(try OfferedSocket(try Self.socket(port), label: "c\(index)"))
            _ = try kernel.register("c\(index)", [members[index]], owner: nil)
        }
        handle = try Self.socket(port)
    }

    var sockets: Int32 { kernel.groups[0].sockets.map.number }
    var dispatcher: Int32 { kernel.groups[0].dispatcher.number }
    var member: Int32 { handle.number }

    /// A program of bpf/reference_programs.c.
    func reference(_ name: String) throws -> KernelObject {
        KernelObject(
            try SelectionProgram.load(
                object: Embedded_referencePrograms.bytes, program: name,
                maps: [("sockets", sockets)] + (name == "turn" ? [("turns", -1)] : []),
                constants: UInt64(collectorCount)))
    }

    /// A program with the maps and constants of the pool's own program, and additional maps.
    func program(_ name: String, of object: [UInt8], _ maps: [(String, Int32)]) throws -> KernelObject {
        KernelObject(try kernel.load(name, of: object, with: maps, as: kernel.groups[0]))
    }

    func change(_ body: (inout PoolConfiguration) -> Void) throws {
        var configuration = kernel.configuration
        body(&configuration)
        try kernel.reload(configuration)
    }

    private static func socket(_ port: UInt16) throws -> Descriptor {
        let member = Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        var on: Int32 = 1
        setsockopt(member.number, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<Int32>.size))
        let result = Loopback.withName(0, port) { bind(member.number, $0, $1) }
        guard result == 0 else { throw BenchmarkError(description: "bind: errno \(errno)") }
        return member
    }
}

/// A program or a map, closed with this object.
final class KernelObject {
    private let descriptor: Descriptor
    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
    var number: Int32 { descriptor.number }
}
