import Logging
import PoolModel
import SockArrayCore

/// The counters of usage: those of the pool's groups, and the meter of the collectors' cgroup, which may
/// appear and disappear.
final class UsageCounters {
    private let pool: RunningPool
    private var meter: CgroupMeter?
    private(set) var trouble: UsageAlarm
    private let act = "record usage"

    /// - Throws: an error if the cgroup exists and can't be metered.
    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        trouble = UsageAlarm(log: log)
        do throws(Failure) {
            try follow()
        } catch {
            guard error.kind == .absent else { throw error }
            trouble.begin("\(error)")
        }
    }

    private var folder: String { "\(pool.kernel.configuration.bpffs)/\(pool.kernel.configuration.pool)" }

    func followConfiguration() {
        do throws(Failure) {
            try follow()
            trouble.end(
                meter.map { "cgroup \($0.settings.cgroup) is metered" } ?? "meter was removed from the configuration")
        } catch {
            trouble.begin("\(error)")
        }
    }

    private func follow() throws(Failure) {
        guard let wanted = pool.kernel.configuration.meter else {
            meter = nil
            CgroupMeter.stopAll(pool: folder)
            return
        }
        if let meter, meter.settings.cgroup == wanted.cgroup, meter.isCurrent {
            if meter.settings != wanted { try meter.change(wanted) }
        } else {
            meter = try CgroupMeter(wanted, pool: folder)
        }
    }

    /// - Parameter places: the indices that the previous reading had, by the id of the counters' map.
    func read(places: [UInt32: Set<UInt32>]) throws(Failure) -> UsageReading {
        var reading = try pool.kernel.usageReading(places: places, act: act)
        // The cgroup doesn't exist yet, or was created again.
        if pool.kernel.configuration.meter != nil, meter?.isCurrent != true { followConfiguration() }
        if let meter { reading.counters += try meter.counters(act: act) }
        let left = try CgroupMeter.counters(leftIn: folder, besides: meter, act: act)
        reading.counters += left.counters
        reading.departed.formUnion(left.departed)
        return reading
    }

    /// Removes the counts of stopped meters without making events of them.
    func forgetMeters() { CgroupMeter.forget(nil, pool: folder) }

    /// Removes counters whose counts are in stored events.
    func forget(_ departed: Set<UInt32>) {
        guard !departed.isEmpty else { return }
        pool.kernel.forgetTraffic(of: departed)
        CgroupMeter.forget(departed, pool: folder)
    }
}
