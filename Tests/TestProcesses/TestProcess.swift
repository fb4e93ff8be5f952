import CBPFShim
import Glibc
import TelemetryLab

/// A process that tests start and kill:
///
///     TestProcesses collector LEDGER [PIDFILE]
///     TestProcesses exporters LEDGER FIRST_ADDRESS COUNT DATAGRAMS_PER_SECOND SESSIONS
///     TestProcesses refuse CALL ERRNO COMMAND...
@main
struct TestProcess {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        raiseFileLimit()
        switch (arguments.first, arguments.count) {
        case ("collector", 2...3):
            let collector = try CountingCollector(try Ledger(arguments[1]))
            // As collectors do it, when all is bound.
            if arguments.count == 3 { try FileText.write("\(getpid())\n", to: arguments[2]) }
            try collector.serve()
        case ("exporters", 6):
            let numbers = arguments[2...].compactMap { Int($0) }
            guard numbers.count == 4 else { fatalError("numbers, not \(arguments[2...])") }
            let plan = SteadyExporters.Plan(
                firstAddress: UInt32(numbers[0]), count: numbers[1], datagramsPerSecond: numbers[2],
                sessionCount: numbers[3])
            try SteadyExporters(try Ledger(arguments[1]), plan).serve()
        case ("refuse", 4...):
            guard let error = Int32(arguments[2]) else { fatalError("a number, not \(arguments[2])") }
            try RefusedCall.run(arguments[1], error: error, Array(arguments[3...]))
        default: fatalError("collector, exporters or refuse, not \(arguments)")
        }
    }

    private static func raiseFileLimit() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
