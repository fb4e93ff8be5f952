import Logging
import SockArrayCore

/// All that usage is made from: what the pool's groups count, and the meter of the
/// collectors' cgroup, which may come and go.
final class UsageCounters {
    private let pool: RunningPool
    private var meter: CgroupMeter?
    private(set) var trouble: UsageAlarm
    private let act = "record usage"

    /// - Throws: where the cgroup can't be metered; one that isn't there yet may come.
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

    private var folder: String { "\(pool.plane.configuration.bpffs)/\(pool.plane.configuration.pool)" }

    func followConfiguration() {
        do throws(Failure) {
            try follow()
            trouble.end(
                meter.map { "cgroup \($0.settings.cgroup) is metered" } ?? "no cgroup is to be metered any more")
        } catch {
            trouble.begin("\(error)")
        }
    }

    private func follow() throws(Failure) {
        guard let wanted = pool.plane.configuration.meter else {
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

    /// - Parameter places: indices by source that were read before.
    func read(places: [UInt32: Set<UInt32>]) throws(Failure) -> UsageReading {
        var reading = try pool.plane.usageReading(places: places, act: act)
        // It isn't there yet, or was made anew.
        if pool.plane.configuration.meter != nil, meter?.isCurrent != true { followConfiguration() }
        if let meter { reading.counters += try meter.counters(act: act) }
        let left = try CgroupMeter.counters(leftIn: folder, besides: meter, act: act)
        reading.counters += left.counters
        reading.departed.formUnion(left.departed)
        return reading
    }

    /// Nobody makes events of what stopped meters counted.
    func forgetMeters() { CgroupMeter.forget(nil, pool: folder) }

    /// What these counted is in events on the disk.
    func forget(_ departed: Set<UInt32>) {
        guard !departed.isEmpty else { return }
        pool.plane.forgetTraffic(of: departed)
        CgroupMeter.forget(departed, pool: folder)
    }
}
