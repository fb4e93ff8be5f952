import PoolModel
import SockArrayCore

extension PoolConfiguration {
    /// Reads the configuration file again. The agent runs with this configuration.
    ///
    /// - Throws: `.usage` for a file that can't be used; `.conflict` for one that changes the pool's
    ///   identity or the agent's sockets.
    package func changed(by path: String, act: String) throws(Failure) -> PoolConfiguration {
        let new = try PoolConfiguration.load(path: path)
        try checkIdentity(of: new, path, act: act)
        try checkSockets(of: new, path, act: act)
        if let before = usage, let after = new.usage, before.folder != after.folder {
            throw Failure(
                .conflict, act: act,
                cause: "usage.queue.folder changed in \(path), and the old folder has the last counts",
                remedy: "put the old value back, or stop the agent, rename \(before.folder), and start it again")
        }
        // Nothing is created: `plan` comes here, too, and a check below may fail.
        if let later = new.usage { try later.check(awaitsFolder: later.target == usage?.target) }
        if let meter = new.meter {
            // A cgroup that doesn't exist yet may appear later.
            do throws(Failure) { try CgroupMeter.check(meter) } catch  where error.kind != .absent { throw error } catch
            {}
        }
        try StateFile(new).check(besides: path)
        return new
    }

    private func checkIdentity(of new: PoolConfiguration, _ path: String, act: String) throws(Failure) {
        guard new.pool != pool || new.bpffs != bpffs else { return }
        throw Failure(
            .conflict, act: act,
            cause: "\(new.pool != pool ? "pool" : "bpffs") changed in \(path), and a reload can't change it",
            remedy: "put the old value back, or stop the agent, run: reuseport-agent unload --pool \(pool)"
                + (bpffs == PoolConfiguration.defaultBPFFS ? ", " : " --bpffs \(bpffs), ")
                + "and start it and register the collectors again")
    }

    private func checkSockets(of new: PoolConfiguration, _ path: String, act: String) throws(Failure) {
        let sockets = [
            ("control_socket", new.controlSocket != controlSocket),
            ("status_socket", new.statusSocket != statusSocket),
            ("status_http", new.statusHTTP != statusHTTP),
        ].filter(\.1).map(\.0)
        guard !sockets.isEmpty else { return }
        throw Failure(
            .conflict, act: act,
            cause: "\(sockets.joined(separator: ", ")) changed in \(path), which requires a restart",
            remedy: "put the old value back, or restart the agent: traffic continues in the meantime")
    }
}
