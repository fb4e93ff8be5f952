import CBPFShim
import PoolModel

/// Meters of the pool that count for a previous cgroup, and stopped ones.
extension CgroupMeter {
    static func folder(ofPool pool: String) -> PinFolder { PinFolder(path: pool + "/meter") }

    /// The counts of other meters, with the cgroup of each.
    ///
    /// - Parameter present: the meter to leave out.
    /// - Returns: the counts, and the sources that have stopped counting.
    public static func counters(
        leftIn pool: String, besides present: CgroupMeter?, act: String
    ) throws(Failure) -> (counters: [UsageReading.Counter], departed: Set<UInt32>) {
        let meters = folder(ofPool: pool)
        var (all, departed): ([UsageReading.Counter], Set<UInt32>) = ([], [])
        do throws(KernelError) {
            // A meter that is skipped here would count from 0 at the next reading.
            for name in try Directory.entries(of: meters.path) where name != present?.pinName {
                let meter = PinnedMeter(folder: meters.subfolder(name))
                guard let counts = try meter.counts() else { continue }
                let path = meter.cgroup
                let counters = try counts.counters { direction, network in
                    path.map { .cgroup($0, direction, network) }
                }
                all += counters.map { counter in
                    var counter = counter
                    (counter.fallback, counter.series) = (counter.series, nil)
                    return counter
                }
                if meter.isStopped { departed.formUnion(counters.map(\.source)) }
            }
        } catch {
            throw failure(error, act: act)
        }
        return (all, departed)
    }

    /// Stops all meters of the pool.
    public static func stopAll(pool: String) { stop(in: folder(ofPool: pool), except: nil) }

    static func stop(in meters: PinFolder, except kept: String?) {
        for name in meters.names() where name != kept { PinnedMeter(folder: meters.subfolder(name)).stop() }
    }

    /// Removes stopped meters whose counts are kept elsewhere.
    ///
    /// - Parameter sources: the kernel's numbers of their maps; nil: all of them.
    public static func forget(_ sources: Set<UInt32>?, pool: String) {
        let meters = folder(ofPool: pool)
        let names = meters.names()
        guard !names.isEmpty else { return }
        for name in names {
            let meter = PinnedMeter(folder: meters.subfolder(name))
            guard meter.isStopped else { continue }
            if let sources, !isAmong(sources, meter) { continue }
            try? meter.folder.remove()
        }
        // Only if it was the last one.
        rpa_remove_folder(meters.path)
    }

    /// Whether the sources include the meter's counts; true if it has none, false if they can't be read.
    private static func isAmong(_ sources: Set<UInt32>, _ meter: PinnedMeter) -> Bool {
        do throws(KernelError) {
            return try meter.counts().map { counts throws(KernelError) in sources.contains(try counts.source()) }
                ?? true
        } catch {
            return false
        }
    }
}
