import Glibc
import TelemetryLab

/// What Glibc's headers leave to the kernel's.
extension InternetSocket {
    /// From now on the socket queues nothing, and counts what comes as drops (SO_ATTACH_FILTER, socket(7)).
    func takeNothing() throws {
        /// struct sock_filter, of linux/filter.h.
        struct Instruction {
            var code: UInt16 = 0x06  // BPF_RET | BPF_K: return 0 bytes
            var ifTrue: UInt8 = 0
            var ifFalse: UInt8 = 0
            var value: UInt32 = 0
        }
        struct Program {
            var length: UInt16 = 1
            var instructions: UnsafeMutablePointer<Instruction>
        }
        var instruction = Instruction()
        let result = withUnsafeMutablePointer(to: &instruction) { instructions in
            var program = Program(instructions: instructions)
            return setsockopt(number, SOL_SOCKET, 26, &program, socklen_t(MemoryLayout<Program>.size))
        }
        guard result == 0 else { throw LabError("setsockopt SO_ATTACH_FILTER: errno \(errno)") }
    }

    /// Datagrams that the socket had no room for or that a filter kept away (SO_MEMINFO, linux/sock_diag.h).
    func drops() throws -> UInt32 {
        var values = [UInt32](repeating: 0, count: 16)
        var length = socklen_t(values.count * MemoryLayout<UInt32>.size)
        guard getsockopt(number, SOL_SOCKET, 55, &values, &length) == 0 else {
            throw LabError("getsockopt SO_MEMINFO: errno \(errno)")
        }
        return values[8]
    }
}
