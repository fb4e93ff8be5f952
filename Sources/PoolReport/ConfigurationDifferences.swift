import PoolModel

/// A sentence for each changed setting: `tracking: 65536 -> 1024 exporters`.
/// Changes of collectors, weights, groups and rows are reported elsewhere.
extension PoolConfiguration {
    public func differences(to later: PoolConfiguration) -> [String] {
        var texts = [
            difference("restart_hold", restartHold.text, later.restartHold.text),
            difference("stalled_after", stalledAfter.text, later.stalledAfter.text),
            difference("stalled", stalled.rawValue, later.stalled.rawValue),
            difference("on_move", onMove.rawValue, later.onMove.rawValue),
            difference("collector_user", Self.user(collectorUser), Self.user(later.collectorUser)),
            difference("state_file", stateFile, later.stateFile),
            trackingDifference(to: later),
            difference(
                "tracking interval", Self.interval(tracking.interval), Self.interval(later.tracking.interval)),
        ]
        texts += usageDifferences(to: later)
        texts += collectors.map { collector in
            guard let other = later.collectors.first(where: { $0.name == collector.name }) else { return nil }
            func words(_ recognition: Recognition?) -> String { recognition.map { "\($0)" } ?? "none" }
            return difference(
                "recognition of collector \(collector.name)", words(collector.recognition), words(other.recognition))
        }
        texts += collectors.map { collector in
            guard let other = later.collectors.first(where: { $0.name == collector.name }) else { return nil }
            return difference(
                "workers of collector \(collector.name)", collector.workers.rawValue, other.workers.rawValue)
        }
        return texts.compactMap(\.self)
    }

    private func difference(_ name: String, _ before: String, _ after: String) -> String? {
        before == after ? nil : "\(name): \(before) -> \(after)"
    }

    private func trackingDifference(to later: PoolConfiguration) -> String? {
        let (before, after) = (tracking.size, later.tracking.size)
        guard before != after else { return nil }
        if before == 0 { return "tracking: off -> \(after) exporters" }
        if after == 0 {
            return "tracking: \(before) exporters -> off; their counts are added to those of untracked exporters"
        }
        return "tracking: \(before) -> \(after) exporters; new counts start at 0, "
            + "and the previous ones are added to those of untracked exporters"
    }

    private func usageDifferences(to later: PoolConfiguration) -> [String?] {
        let meters = difference("meter", Self.meter(meter), Self.meter(later.meter))
        guard let before = usage, let after = later.usage else {
            return [targetDifference(to: later), meters]
        }
        var headers: String?
        if case (.url(_, let old), .url(_, let new)) = (before.target, after.target) {
            headers = difference("usage headers", old ?? "none", new ?? "none")
        }
        return [
            targetDifference(to: later), headers,
            difference("usage interval", before.interval.text, after.interval.text),
            difference("usage queue limit", "\(before.limit) bytes", "\(after.limit) bytes"), meters,
        ]
    }

    /// Arguments and queries are omitted: they may contain tokens, and others can read the log.
    private func targetDifference(to later: PoolConfiguration) -> String? {
        if let text = difference("usage", Self.target(usage), Self.target(later.usage)) { return text }
        switch (usage?.target, later.usage?.target) {
        case (.command(let before)?, .command(let after)?) where before != after:
            return "usage: changed arguments of command \(after[0])"
        case (.url(let before, _)?, .url(let after, _)?) where before != after:
            return "usage: changed query of url \(Self.withoutQuery(after))"
        default: return nil
        }
    }

    private static func user(_ user: UInt32?) -> String { user.map { "\($0)" } ?? "not set" }

    private static func interval(_ interval: Duration) -> String { interval == .zero ? "exact" : interval.text }

    private static func target(_ usage: UsageSettings?) -> String {
        switch usage?.target {
        case .file(let path): "to file \(path)"
        case .command(let words): "to command \(words[0])"
        case .url(let url, _): "to url \(withoutQuery(url))"
        case nil: "off"
        }
    }

    private static func withoutQuery(_ url: String) -> String { String(url.prefix { $0 != "?" && $0 != "#" }) }

    private static func meter(_ meter: MeterSettings?) -> String {
        guard let meter else { return "off" }
        let prefixes = meter.internalPrefixes.map(\.description).sorted().prefix(8).joined(separator: ", ")
        let more = meter.internalPrefixes.count - 8
        return meter.cgroup + (prefixes.isEmpty ? "" : ", internal \(prefixes)") + (more > 0 ? " and \(more) more" : "")
    }
}

extension Duration {
    /// As the configuration has it: `10s`, `500ms`.
    package var text: String {
        let milliseconds = Int(self / .milliseconds(1))
        return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
    }
}
