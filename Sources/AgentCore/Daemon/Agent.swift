import CBPFShim
import Glibc
import Logging
import PoolModel
import PoolReport
import SockArrayCore

/// The daemon: a pool, its control and status sockets, and one loop on one thread that serves them
/// until a signal ends it. The data plane continues without it.
package final class Agent {
    private let pool: RunningPool
    /// Where the status server listens.
    private let statusNames: [String]
    private let controlName: String
    /// Served in this order.
    private let sources: [any EventSource]
    private let usage: UsageSource
    private let warnings: StartWarnings
    private let signals: Descriptor
    private let output: AgentLog
    private let log: Logger

    package init(_ configuration: PoolConfiguration, path: String, log output: AgentLog) throws(Failure) {
        self.output = output
        log = output.logger
        // First: from here on, a signal ends the loop, but doesn't interrupt the setup.
        let signalResult = rpa_signal_fd()
        guard signalResult >= 0 else {
            let act = "run pool \(configuration.pool)"
            throw Failure.openFiles(act: act, errno: -signalResult)
                ?? Failure(
                    .privilege, act: act, cause: "signalfd(2) failed", errno: -signalResult,
                    remedy: "check the resource limits of the agent's user")
        }
        signals = Descriptor(owning: signalResult)
        // Before the pool is made: an agent that can't write usage events or can't listen leaves no pins.
        if let usage = configuration.usage, let missing = try usage.check(awaitsFolder: true) {
            // A late mount delays usage events, but no registration.
            log.warning("\(missing); usage events wait for it")
        }
        let control = try configuration.controlAddress.listen()
        let status = try configuration.statusAddresses.map { place throws(Failure) in try place.listen() }
        warnings = StartWarnings(of: configuration)
        pool = try RunningPool(configuration, path: path, log: log)
        let watch = try CollectorWatch(pool: pool, log: log)
        let audit = AuditTimer(pool: pool, log: log)
        let eventRecorder = try EventRecorder(pool: pool, audit: audit, log: log)
        (controlName, statusNames) = (control.name, status.map(\.name))
        let commands = ControlService(
            pool: pool, watch: watch, audit: audit, eventRecorder: eventRecorder,
            places: [control.name] + status.map(\.name), log: log)
        let service = StatusService(pool: pool)
        usage = try UsageSource(pool: pool, log: log)
        let readers = status.map { socket -> ConnectionServer.Listener in
            let isLoopback = configuration.statusHTTP.map { $0.isLoopback && $0.description == socket.name } ?? false
            return (socket, HTTPCodec(service: service, checksHost: isLoopback))
        }
        // Readers come last: registrations come first.
        sources = [
            ConnectionServer([(control, ControlCodec(service: commands))], limits: .control), watch,
            Discovery(pool: pool, log: log), RebindWatch(pool: pool, log: log),
            WorkerWatch(pool: pool, log: log), StallWatch(pool: pool, log: log),
            ExporterWatch(pool: pool, log: log),
            SessionSweep(pool: pool, log: log), audit, usage, eventRecorder, ConnectionServer(readers, limits: .status),
            service.exporters, output,
        ]
    }

    /// Serves until SIGTERM or SIGINT.
    package func serve() {
        ServiceManager.tell("READY=1")
        logAdopted()
        log.notice(
            "pool \(pool.kernel.configuration.pool) is ready",
            metadata: [
                "control": "\(controlName)", "status": "\(statusNames.joined(separator: ", "))",
            ])
        warnOfReaders()
        warnings.log(to: log)
        // Half of the code is needed only at the start.
        rpa_release_code()
        while true {
            var waits = [pollfd(reading: signals.number)]
            let ranges = sources.map { source in
                let start = waits.count
                waits += source.waits
                return start..<waits.count
            }
            poll(&waits, until: sources.compactMap(\.nextDeadline).min())
            if let signal = endingSignal() {
                ServiceManager.tell("STOPPING=1")
                let isOffDisk = usage.finish()
                log.notice("signal \(signal): the agent stops, the data plane continues")
                guard isOffDisk else { endAtOnce() }
                return
            }
            let now = ContinuousClock.now
            for (source, range) in zip(sources, ranges) { source.serve(waits[range], now: now) }
        }
    }

    private func warnOfReaders() {
        guard let endpoint = pool.kernel.configuration.statusHTTP, !endpoint.isLoopback else { return }
        log.warning(
            "status_http \(endpoint) is not a loopback address: anyone who can reach it can read the status, unencrypted"
        )
    }

    /// Logs the collectors that a previous agent left in the pool.
    private func logAdopted() {
        guard let snapshot = try? pool.kernel.snapshot() else { return }
        let adopted = PoolStatus(snapshot).collectors.filter { $0.state != SlotState.empty.name }
            .map { "\($0.name) (\($0.state))" }
        if !adopted.isEmpty { log.notice("adopted: \(adopted.joined(separator: ", "))") }
    }

    /// Ends the process although a thread still waits for a disk. The pool's lock is released with the
    /// last thread: no other agent continues before from what that thread may still write.
    private func endAtOnce() -> Never {
        output.finish()
        _exit(0)
    }

    /// The signal that ends the loop, or nil. SIGHUP reloads the configuration.
    private func endingSignal() -> Int32? {
        while true {
            var signal = rpa_signal()
            guard rpa_next_signal(signals.number, &signal) > 0 else { return nil }
            guard signal.number == SIGHUP else { return signal.number }
            do { _ = try pool.reload(reshuffle: false) } catch { log.error("\(error)") }
        }
    }
}

/// Notifies the service manager, if there is one (sd_notify(3)).
enum ServiceManager {
    static func tell(_ state: String) {
        guard let address = getenv("NOTIFY_SOCKET") else { return }
        rpa_notify(address, state)
    }
}
