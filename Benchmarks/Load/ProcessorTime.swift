import CBPFShim
import Glibc
import TelemetryLab

/// The busy time of the whole machine: the processors' time minus their idle time.
struct ProcessorTime {
    private let began = rpa_monotonic_ns()
    private let idle = Self.idleMicroseconds()

    /// Microseconds of all processors, since this object was created.
    var busyMicroseconds: Double {
        let elapsed = Double(rpa_monotonic_ns() - began) / 1_000
        return elapsed * Double(Self.count) - (Self.idleMicroseconds() - idle)
    }

    static let count = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    /// The source of the idle time: cpuidle, in microseconds, or /proc/stat, in hundredths of a second.
    static var source: String { idleFiles.isEmpty ? "/proc/stat" : "cpuidle" }

    private static let idleFiles: [String] = (0..<count).flatMap { processor in
        (0..<10).map { "/sys/devices/system/cpu/cpu\(processor)/cpuidle/state\($0)/time" }
    }.filter { access($0, R_OK) == 0 }

    /// Context switches on all processors, since the machine's start.
    static var switches: Double {
        let line = (FileText.read("/proc/stat") ?? "").split(separator: "\n").first { $0.hasPrefix("ctxt ") }
        return line.flatMap { Double($0.dropFirst(5)) } ?? 0
    }

    private static func idleMicroseconds() -> Double {
        if !idleFiles.isEmpty {
            return idleFiles.reduce(0) { sum, path in
                sum + (FileText.read(path).flatMap { Double($0.prefix { $0.isNumber }) } ?? 0)
            }
        }
        // idle and iowait, of all processors.
        let fields = (FileText.read("/proc/stat") ?? "").split(separator: "\n")[0].split(separator: " ")
        let ticks = fields.count > 5 ? (Double(fields[4]) ?? 0) + (Double(fields[5]) ?? 0) : 0
        return ticks * 1e6 / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}

/// The processor time of a balancer's processes, including their children.
struct ProcessTree {
    /// User and system time, in microseconds, to the hundredth of a second.
    let microseconds: Double
    let residentKibibytes: Double

    init(of roots: [Int32]) {
        let all = Self.all()
        var wanted = Set(roots)
        while true {
            let children = all.filter { wanted.contains($0.parent) && !wanted.contains($0.pid) }
            if children.isEmpty { break }
            wanted.formUnion(children.map(\.pid))
        }
        let found = all.filter { wanted.contains($0.pid) }
        microseconds = found.reduce(0) { $0 + $1.ticks } * 1e6 / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentKibibytes = found.reduce(0) { $0 + $1.residentPages } * Double(sysconf(Int32(_SC_PAGESIZE))) / 1_024
    }

    private struct Facts {
        let pid, parent: Int32
        let ticks, residentPages: Double
    }

    /// Fields 4, 14, 15 and 24 of /proc/PID/stat.
    private static func all() -> [Facts] {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var all: [Facts] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let pid = Int32(name), let text = FileText.read("/proc/\(name)/stat"),
                let end = text.lastIndex(of: ")")
            else { continue }
            let fields = text[text.index(after: end)...].split(separator: " ")
            guard fields.count > 21, let parent = Int32(fields[1]), let user = Double(fields[11]),
                let system = Double(fields[12]), let pages = Double(fields[21])
            else { continue }
            all.append(Facts(pid: pid, parent: parent, ticks: user + system, residentPages: pages))
        }
        return all
    }
}
