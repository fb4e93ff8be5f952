import PoolReport

/// The content of `status --watch` as a value, from which a frame of any size can be made.
struct WatchView {
    var status: PoolStatus?
    var rates: PoolRates?
    /// The last rates of runs by collector.
    var trends: [String: [Double]] = [:]
    /// In chronological order.
    var events: [PoolEvent] = []
    /// Why there is no newer answer; nil if the agent answers.
    var trouble: String?
    /// The current time, and the time of the last answer: `17:02:46`.
    var time = ""
    var answerTime: String?
    /// Seconds since the last answer.
    var age = 0.0
    /// Seconds between two frames.
    var interval = 2.0
    /// The number of rows above the visible part of the collectors' table.
    var offset = 0
    /// Local time of a Unix time.
    var clock: (Double) -> String = { _ in "" }

    /// The lines of a frame that fits the size. Limits `offset` to the table's length.
    mutating func frame(_ size: TerminalFacts.Size) -> [Line] {
        var lines = head(size)
        if let status {
            let tables = PoolTables(status: status, rates: rates, hasMarks: true)
            let body = body(tables, WatchLayout(height: size.lines - lines.count, width: size.columns))
            // Old data is faint.
            lines += trouble == nil ? body : body.map(\.faint)
        }
        return lines.prefix(size.lines).map { $0.clipped(to: size.columns) }
    }

    /// The reason why there is no newer answer, in at most half of the height.
    private func banner(_ trouble: String, _ size: TerminalFacts.Size) -> [Line] {
        let since = answerTime.map { "no answer since \($0): " } ?? "no answer yet: "
        let lines = Wrapping.lines(ShortText.oneCell(since + trouble), width: size.columns)
        let room = max(1, size.lines / 2 - 2)
        guard lines.count > room else { return lines.map { Line($0, .bad) } }
        let last = lines[room - 1].prefix(max(0, size.columns - 2))
        return lines.prefix(room - 1).map { Line($0, .bad) } + [Line(last + " …", .bad)]
    }

    private func head(_ size: TerminalFacts.Size) -> [Line] {
        let width = size.columns
        let right = width >= 60 ? "\(time)  every \(Figure.seconds(interval))  q quits" : width >= 30 ? "q quits" : ""
        let title =
            status.map { PoolTables(status: $0, hasMarks: true).title(width: max(8, width - right.count - 2)) }
            ?? Line("reuseport-agent", .strong).clipped(to: max(8, width - right.count - 2))
        let space = String(repeating: " ", count: max(1, width - title.width - right.count))
        var lines = [Line(title.pieces + [Piece(space), Piece(right, .faint)])]
        if let trouble { lines += banner(trouble, size) }
        if let status { lines.append(totals(status, width: width)) }
        return lines
    }

    /// `4 of 4 active, 12.3k runs/s, 4.10M B/s, busiest c3: 1.08 x share`: as much as there is room for.
    private func totals(_ status: PoolStatus, width: Int) -> Line {
        let active = status.collectors.count { $0.state == "active" }
        let isWhole = active == status.collectors.count
        if trouble != nil {
            let age = answerTime == nil ? "" : "\(Figure.age(age)) ago: "
            return Line("○ \(age)\(active) of \(status.collectors.count) active", .warning).clipped(to: width)
        }
        var parts = [Piece("\(active) of \(status.collectors.count) active")]
        if let rates {
            let total = rates.total
            parts.append(Piece(", \(ShortText.rate(total.runs)) runs/s"))
            if total.drops > 0 { parts.append(Piece(", \(ShortText.rate(total.drops)) drops/s", .bad)) }
            parts.append(Piece(", \(ShortText.rate(total.bytes)) B/s"))
            if status.collectors.count > 1, let (name, ratio) = rates.busiest(of: status.collectors) {
                parts.append(Piece(", busiest \(ShortText.middle(name, to: 16)): \(Figure.hundredths(ratio)) x share"))
            }
        }
        var line = Line([Piece(isWhole ? "● " : "◐ ", isWhole ? .good : .warning)])
        for part in parts {
            guard line.width + part.text.count <= width else { break }
            line.pieces.append(part)
        }
        return line
    }

    private mutating func body(_ tables: PoolTables, _ layout: WatchLayout) -> [Line] {
        var layout = layout
        let problems =
            (tables.status.usage.map { FindingLines.lines($0, width: nil) } ?? [])
            + tables.status.findings.flatMap { FindingLines.lines($0, width: nil) }
        let findings = problems.map { $0.clipped(to: layout.width) }
        let events = self.events.map { event in
            Line([
                Piece(clock(event.time) + " ", .faint),
                Piece(ShortText.oneCell(event.text), Self.style(of: event.kind)),
            ]).clipped(to: layout.width)
        }
        let rowCount = tables.status.collectors.reduce(0) { $0 + $1.groups.count }
        // Reserve room by priority: findings, then collectors, groups and events.
        layout.reserve(findings.isEmpty ? 0 : min(findings.count, 3) + 1)
        let groupLines = tables.liveGroups.lines(width: layout.width)
        let tracking = tables.tracking(width: layout.width)
        let isDetailed = layout.fits(
            rowCount + 2 + groupLines.count + 1 + (tracking.isEmpty ? 0 : tracking.count + 1) + min(events.count, 3) + 1
        )
        let collectors = tables.liveCollectors(isSummed: !isDetailed, trends: trends).lines(width: layout.width)
        let least = min(collectors.count, 9) + 1
        let showsGroups = layout.reserve(groupLines.count + 1, leaving: least)
        let showsTracking = !tracking.isEmpty && layout.reserve(tracking.count + 1, leaving: least)
        let eventRoom = min(events.count, max(1, layout.left - collectors.count - 2))
        let showsEvents = !events.isEmpty && layout.reserve(eventRoom + 1, leaving: least)
        let missing = [
            showsGroups ? nil : "groups", tracking.isEmpty || showsTracking ? nil : "tracking",
            events.isEmpty || showsEvents ? nil : "events",
        ].compactMap(\.self)
        // The note takes the place of an empty line.
        let note = missing.isEmpty ? Line() : Line("… no room for: \(missing.joined(separator: ", "))", .faint)
        offset = min(offset, layout.greatestOffset(of: collectors))
        var lines = [note] + layout.table(collectors, from: offset, of: tables.status)
        if showsGroups { lines += [Line()] + groupLines }
        if showsTracking { lines += [Line()] + tracking }
        if !findings.isEmpty { lines += [Line()] + layout.first(3, of: findings, "findings") }
        if showsEvents { lines += [Line()] + events.suffix(eventRoom) }
        return lines
    }

    private static func style(of kind: PoolEvent.Kind) -> Style {
        switch kind {
        case .lost, .failedOver: .bad
        case .held, .stalled: .warning
        case .registered, .returned, .resumed: .good
        case .moved, .newExporter: .plain
        }
    }
}

/// The free and the reserved lines of a frame.
struct WatchLayout {
    let height: Int
    let width: Int
    private var reserved = 0

    init(height: Int, width: Int) {
        self.height = max(0, height)
        self.width = width
    }

    var left: Int { max(0, height - reserved) }
    func fits(_ lines: Int) -> Bool { lines <= left }
    mutating func reserve(_ lines: Int) { reserved = min(height, reserved + lines) }

    /// - Returns: false, without a reservation, if fewer lines than `least` would be left.
    mutating func reserve(_ lines: Int, leaving least: Int) -> Bool {
        guard lines + least <= left else { return false }
        reserve(lines)
        return true
    }

    /// The maximum offset of a table.
    func greatestOffset(of lines: [Line]) -> Int {
        let room = left - 1
        return lines.count > room ? max(0, lines.count - 1 - max(0, room - 2)) : 0
    }

    /// The title and the rows that fit, with a last line that counts the others.
    ///
    /// - Parameter first: the offset, at most `greatestOffset`.
    func table(_ lines: [Line], from first: Int, of status: PoolStatus) -> [Line] {
        let room = left - 1
        guard room > 0 else { return [] }
        guard lines.count > room else { return lines }
        let rows = lines.dropFirst()
        let shown = max(0, room - 2)
        let away = status.collectors.count { $0.state != "active" }
        let rest =
            "… \(first) above, \(rows.count - first - shown) below (j, k); "
            + (away == 0 ? "all are active" : "not active: \(away)")
        return [lines[0]] + rows.dropFirst(first).prefix(shown) + [Line(rest, away == 0 ? .faint : .warning)]
    }

    func first(_ count: Int, of lines: [Line], _ what: String) -> [Line] {
        guard lines.count > count else { return lines }
        return lines.prefix(count - 1) + [
            Line("… \(lines.count - count + 1) more \(what): reuseport-agent status", .warning)
        ]
    }
}
