import Glibc
import TelemetryLab

/// The properties of the machine that the figures depend on.
struct Machine: Codable {
    var processor: String
    var processors: Int
    var caches: String
    var memory: String
    var kernel: String
    /// The versions of the measured Debian packages.
    var versions: [String: String]

    /// - Parameter packages: names of Debian packages.
    init(packages: [String]) {
        let facts = FileText.read("/proc/cpuinfo") ?? ""
        let model = facts.split(separator: "\n").first { $0.hasPrefix("model name") }
        processor = model.flatMap { $0.split(separator: ":").last }.map { String($0.drop { $0 == " " }) } ?? "unknown"
        processors = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        caches = (0..<4).compactMap(Self.cache).joined(separator: ", ")
        let total = (FileText.read("/proc/meminfo") ?? "").split(separator: "\n").first { $0.hasPrefix("MemTotal:") }
        let kibibytes = total.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Double($0) } ?? 0
        memory = "\(Int((kibibytes / 1_048_576).rounded())) GiB"
        kernel = "Linux " + (FileText.read("/proc/sys/kernel/osrelease") ?? "").filter { $0 != "\n" }
        versions = [:]
        for package in packages { versions[package] = Self.version(of: package) }
    }

    /// For example `L2 1024K`.
    private static func cache(_ index: Int) -> String? {
        let folder = "/sys/devices/system/cpu/cpu0/cache/index\(index)"
        guard let level = FileText.read("\(folder)/level"), let size = FileText.read("\(folder)/size"),
            let type = FileText.read("\(folder)/type"), !type.hasPrefix("Instruction")
        else { return nil }
        return "L\(level) \(size)".filter { $0 != "\n" }
    }

    private static func version(of package: String) -> String? {
        guard let pipe = popen("dpkg-query -W -f '${Version}' \(package) 2>/dev/null", "r") else { return nil }
        defer { pclose(pipe) }
        var line = [UInt8](repeating: 0, count: 256)
        let count = fread(&line, 1, line.count, pipe)
        return count == 0 ? nil : String(decoding: line[..<count], as: UTF8.self)
    }
}
