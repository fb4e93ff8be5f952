import CBPFShim

/// Meters of the pool that count for a cgroup of before, and those that did.
extension CgroupMeter {
    static func folder(ofPool pool: String) -> PinFolder { PinFolder(path: pool + "/meter") }

    /// What they have counted, for whom they did.
    ///
    /// - Parameter present: this one isn't among them.
    /// - Returns: with the sources that count no more.
    public static func counters(
        leftIn pool: String, besides present: CgroupMeter?, act: String
    ) throws(Failure) -> (counters: [UsageReading.Counter], departed: Set<UInt32>) {
        let meters = folder(ofPool: pool)
        var (all, departed): ([UsageReading.Counter], Set<UInt32>) = ([], [])
        do throws(KernelError) {
            // One that is passed over would count from 0 at the next reading.
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

    /// Takes stopped meters away: what they counted is kept elsewhere.
    ///
    /// - Parameter sources: the kernel's numbers of their counts; nil: of all.
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

    /// Also without counts; not where they can't be read.
    private static func isAmong(_ sources: Set<UInt32>, _ meter: PinnedMeter) -> Bool {
        do throws(KernelError) {
            return try meter.counts().map { counts throws(KernelError) in sources.contains(try counts.source()) }
                ?? true
        } catch {
            return false
        }
    }
}
