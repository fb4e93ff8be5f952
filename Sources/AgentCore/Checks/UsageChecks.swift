import Glibc
import PoolModel
import PoolReport
import SockArrayCore

/// The checks of what usage events need on this machine.
package struct UsageChecks {
    package let items: [CheckList.Item]
    /// 0 if all is well; 6 if the machine or the current user lacks something; 2 if the file of events can't
    /// be used.
    package let exitCode: Int32

    package init(_ configuration: PoolConfiguration, _ host: HostFacts) {
        let items = Self.items(configuration, host)
        let file = configuration.usage.flatMap(Self.fileItem)
        self.items = items + (file.map { [$0] } ?? [])
        let kind: Failure.Kind? = !items.allSatisfy(\.ok) ? .privilege : file?.ok == false ? .usage : nil
        exitCode = kind?.rawValue ?? 0
    }

    private static func fileItem(_ usage: UsageSettings) -> CheckList.Item? {
        guard case .file(let path) = usage.target else { return nil }
        let check = "usage: file \(path)"
        do throws(Failure) {
            let note: String?
            switch try usage.checkFile() {
            case .fit, nil: note = nil
            case .unknown(let reason): note = reason
            case .missingFolder(let failure): throw failure
            }
            return CheckList.Item(
                check: check, ok: true, detail: note ?? "it can be written",
                remedy: note.map { _ in "check as the user that the agent will run as" })
        } catch {
            return CheckList.Item(check: check, ok: false, detail: error.problem, remedy: error.remedy)
        }
    }

    private static func items(_ configuration: PoolConfiguration, _ host: HostFacts) -> [CheckList.Item] {
        guard let usage = configuration.usage else { return [] }
        var items = [
            item("usage: queue \(usage.folder)", "it can be written") { () throws(Failure) in
                try UsageFolder(path: usage.folder).check(makes: false)
            }
        ]
        switch usage.target {
        case .file: break
        case .command(let words):
            items.append(
                item(
                    "usage: command \(words[0])", "it can be executed",
                    problem: error(of: words[0], X_OK).map { "it can't be executed (\($0))" },
                    "give the path of a program, as a user who may execute it"))
        case .url(_, let headers):
            items.append(
                item(
                    "usage: url", "curl is installed",
                    problem: hasCurl ? nil : "curl is in no folder of PATH, and it sends the events",
                    "install curl (Debian: apt-get install curl)"))
            guard let headers else { break }
            items.append(
                item(
                    "usage: headers \(headers)", "it can be read",
                    problem: error(of: headers, R_OK).map { "it can't be read (\($0))" },
                    "give the path of a file that the agent's user may read"))
        }
        guard let meter = configuration.meter else { return items }
        items.append(
            item("meter: \(meter.cgroup)", "it is a cgroup of version 2") { () throws(Failure) in
                try CgroupMeter.check(meter)
            })
        // CAP_SYS_ADMIN, which allows mounts, also allows this.
        let mayAttach = host.mayEndSessions || host.mayMount
        items.append(
            item(
                "meter: attaching to a cgroup", "CAP_NET_ADMIN is present",
                problem: mayAttach ? nil : "CAP_NET_ADMIN is missing: the kernel refuses",
                "give the agent CAP_NET_ADMIN (AmbientCapabilities= of its unit), or remove meter"))
        return items
    }

    /// Whether curl is in PATH.
    private static var hasCurl: Bool {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").contains { access("\($0)/curl", X_OK) == 0 }
    }

    private static func item(
        _ check: String, _ success: String, problem: String?, _ remedy: String
    ) -> CheckList.Item {
        CheckList.Item(
            check: check, ok: problem == nil, detail: problem ?? success, remedy: problem.map { _ in remedy })
    }

    /// The name of the errno why a file can't be used in this mode; EISDIR for a directory; nil if it can.
    private static func error(of path: String, _ mode: Int32) -> String? {
        var facts = stat()
        guard access(path, mode) == 0, stat(path, &facts) == 0 else { return ErrnoName.of(errno) }
        return facts.st_mode & S_IFMT == S_IFDIR ? ErrnoName.of(EISDIR) : nil
    }

    private static func item(
        _ name: String, _ yes: String, _ body: () throws(Failure) -> Void
    ) -> CheckList.Item {
        do throws(Failure) {
            try body()
            return CheckList.Item(check: name, ok: true, detail: yes)
        } catch {
            // A cgroup that doesn't exist yet may appear later.
            return CheckList.Item(check: name, ok: error.kind == .absent, detail: error.problem, remedy: error.remedy)
        }
    }
}
