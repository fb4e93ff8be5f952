import CBPFShim
import PoolModel

/// The SK_REUSEPORT programs that the build compiled from bpf/sk_reuseport.c.
package enum SelectionProgram {
    /// - Parameter maps: each map that the program names, by descriptors that stay
    ///   the caller's; -1: a new one, that lives as long as the program.
    static func load(
        program: String, maps: [(name: String, number: Int32)], constants: rpa_constants
    ) throws(PoolError) -> Descriptor {
        try load(object: Embedded_skReuseportProgram.bytes, program: program, maps: maps, constants: constants)
    }

    package static func load<Constants: BitwiseCopyable>(
        object: [UInt8], program: String, maps: [(name: String, number: Int32)], constants: Constants
    ) throws(PoolError) -> Descriptor {
        var log = [CChar](repeating: 0, count: 1 << 16)
        let names = maps.map { strdupName($0.name) }
        defer { names.forEach { $0.deallocate() } }
        let bindings = zip(names, maps).map { rpa_map_binding(name: $0, fd: $1.number) }
        let result = withUnsafeBytes(of: constants) { constants in
            rpa_program_load(
                object, object.count, program, bindings, bindings.count, constants.baseAddress,
                constants.count, &log, log.count)
        }
        guard result >= 0 else {
            throw .program(
                KernelError(operation: "bpf_prog_load \(program)", errno: -result), verifierLog: text(of: log))
        }
        return Descriptor(owning: result)
    }

    private static func strdupName(_ name: String) -> UnsafePointer<CChar> {
        let bytes = name.utf8CString
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        copy.initialize(from: Array(bytes), count: bytes.count)
        return UnsafePointer(copy)
    }

    private static func text(of log: [CChar]) -> String {
        String(decoding: log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
