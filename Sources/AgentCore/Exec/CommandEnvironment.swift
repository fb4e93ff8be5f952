import CBPFShim
import Glibc

/// What `exec` changes in the environment that its command inherits.
struct CommandEnvironment: Equatable {
    enum Value: Equatable {
        case text(String)
        /// The command's own pid, in decimal.
        case commandPid
        case absent
    }

    /// By the variable's name. Variables that aren't named stay as they are.
    private(set) var changes: [String: Value] = [:]

    /// systemd names the process that its descriptors and its watchdog are for. That process is `exec`, and
    /// sd_listen_fds(3) and sd_watchdog_enabled(3) would ignore both in the command. A variable that names
    /// another process isn't meant for the command either, and stays.
    ///
    /// Since Go 1.24, net.Listen makes MPTCP listeners where the kernel has MPTCP, and the kernel takes none of them
    /// into a sockarray. A setting of the user stays.
    ///
    /// - Parameters:
    ///   - pid: of `exec`.
    ///   - variable: the value of an inherited variable; nil: it isn't set.
    init(pid: Int32, variable: (String) -> String?) {
        if variable("LISTEN_FDS") != nil, variable("LISTEN_PID").flatMap({ Int32($0) }) == pid {
            changes["LISTEN_PID"] = .commandPid
            // The same process by its pidfd's inode, since systemd 259. sd_listen_fds(3) does without it.
            if variable("LISTEN_PIDFDID") != nil { changes["LISTEN_PIDFDID"] = .absent }
        }
        if variable("WATCHDOG_PID").flatMap({ Int32($0) }) == pid { changes["WATCHDOG_PID"] = .commandPid }
        let settings = variable("GODEBUG") ?? ""
        let names = settings.split(separator: ",").map { $0.prefix { $0 != "=" } }
        if !names.contains("multipathtcp") {
            changes["GODEBUG"] = .text(settings.isEmpty ? "multipathtcp=0" : settings + ",multipathtcp=0")
        }
    }
}

/// An environment as execve(2) takes it: inherited variables, byte for byte, and changed ones.
struct EnvironmentBlock: ~Copyable {
    /// Ends with nil.
    private(set) var entries: [UnsafeMutablePointer<CChar>?] = []
    /// Where the command finds its own pid (`rpa_launch`). Ends with nil.
    private(set) var pidTexts: [UnsafeMutablePointer<CChar>?] = []
    private var own: [UnsafeMutablePointer<CChar>] = []

    /// - Parameter environment: remains in place while this value lives, and ends with nil.
    init(_ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, changedBy change: CommandEnvironment) {
        var entry = environment
        while let text = entry.pointee {
            let name = String(decoding: UnsafeRawBufferPointer(start: text, count: strcspn(text, "=")), as: UTF8.self)
            if change.changes[name] == nil { entries.append(text) }
            entry += 1
        }
        for (name, value) in change.changes.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .absent: continue
            case .text(let text): own.append(strdup("\(name)=\(text)"))
            case .commandPid:
                own.append(strdup("\(name)=" + String(repeating: "0", count: Int(RPA_PID_TEXT) - 1)))
                pidTexts.append(own.last! + name.utf8.count + 1)
            }
            entries.append(own.last)
        }
        entries.append(nil)
        pidTexts.append(nil)
    }

    deinit { own.forEach { free($0) } }
}
