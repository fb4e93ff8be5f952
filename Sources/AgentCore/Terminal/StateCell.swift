import PoolReport

/// A collector's state, with a mark and a color.
enum StateCell {
    static func cell(of collector: PoolStatus.Collector, hasMark: Bool) -> Columns.Cell {
        let drainsToo = collector.drain != nil && collector.state != "draining"
        let name = collector.state + (drainsToo ? ", draining" : "")
        guard hasMark else { return Columns.Cell(name, short: collector.state + (drainsToo ? "+d" : "")) }
        let mark = mark(of: collector.state)
        let held = collector.state == "holding" ? collector.holdLeft.map { " \(Int($0.rounded(.up))) s" } : nil
        return Columns.Cell(
            "\(mark) \(name)\(drainsToo ? "" : held ?? "")", short: "\(mark) \(collector.state)",
            style(of: collector.state))
    }

    static func mark(of state: String) -> String {
        switch state {
        case "active": "●"
        case "holding": "◐"
        case "failed": "✗"
        case "draining": "▽"
        default: "○"
        }
    }

    static func style(of state: String) -> Style {
        switch state {
        case "active": .good
        case "holding": .warning
        case "failed": .bad
        case "draining": .busy
        default: .faint
        }
    }
}
