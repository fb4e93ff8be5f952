import TelemetryLab
import Testing

/// Rates, figures, colours, addresses: the parts of the page that know nothing of it,
/// where they run, in Chromium.
@Suite(
    .serialized, .enabled(if: AgentUnderTest.hasChromium, "needs root and Debian packages chromium, chromium-driver"))
struct PageModuleTests {
    private static func evaluate<Value: Decodable & Sendable>(
        _ type: Value.Type, _ modules: [String], _ body: String
    ) async throws -> Value {
        let script = try PageModules.script(modules, body)
        return try await Sandbox.run { sandbox in
            let browser = try Browser(in: sandbox)
            let value = try browser.evaluate(type, script)
            try browser.quit()
            return value
        }
    }

    @Test func `rates are differences over time; a counter that restarts or was hidden gives no wrong rate`()
        async throws
    {
        let rates = try await Self.evaluate(
            [Double?].self, ["rates"],
            """
            const rates = new Rates(10, 15);
            const results = [];
            const add = (time, a) => { rates.add(time, new Map(a == null ? [] : [["a", a]])); results.push(rates.of("a")); };
            add(0, 0); add(5, 50); add(10, 100);      // null, 10, 10
            add(12, 3);                               // less than before: null
            add(14, 7);                               // 2, not of what was before
            add(16, null);                            // gone
            add(18, 5); add(20, 7);                   // back: null, 1
            add(60, 1007);                            // after a gap: null
            add(62, 1009);                            // 1
            return results;
            """)
        #expect(rates == [nil, 10, 10, nil, 2, nil, nil, 1, nil, 1])
    }

    @Test func `max/mean, sums with unknown values, and a history that breaks at gaps and drops samples after 900 s`()
        async throws
    {
        let results = try await Self.evaluate(
            [Double?].self, ["rates"],
            """
            const lines = new History(900, 15);
            for (let time = 0; time <= 2000; time += 2) lines.add(time, new Map([["a", time], ...(time > 1500 ? [["b", 1]] : [])]));
            const before = [lines.times.length, lines.of("a").length, lines.of("b").length, lines.of("a")[0]];
            lines.add(2100, new Map([["b", 2]]));
            return [maxToMean([3, 1, 2]), maxToMean([0, 0]), maxToMean([null, 4]), sum([null, null]), sum([null, 4]),
              ...before, lines.of("a").length, lines.of("b").at(-1), lines.of("b").at(-2)];
            """)
        #expect(results == [1.5, nil, 1, nil, 4, 451, 451, 451, 1100, 0, 2, nil])
    }

    @Test func `figures have three digits and a prefix, counts are exact, durations are readable`() async throws {
        let texts = try await Self.evaluate(
            [String].self, ["format"],
            """
            return [short(0), short(7, "B"), short(0.04), short(999), short(1000, "B"), short(1234567, "B/s"), short(999999), short(null),
              count(1234567), count(null), percent(0.12345), duration(9.6), duration(130), duration(90000), plural(1, "row"), plural(2000, "row")];
            """)
        #expect(
            texts == [
                "0", "7 B", "0.04", "999", "1.00 kB", "1.23 MB/s", "1.00 M", "–", "1,234,567", "–", "12.3 %", "10 s",
                "2 min", "25 h", "1 row", "2,000 rows",
            ])
    }

    @Test func `without tracking the page shows the agent's advice; otherwise the number shown, the total and errors`()
        async throws
    {
        let texts = try await Self.evaluate(
            [String].self, ["format", "exporters"],
            """
            const tracking = { size: 64, interval: 10, configured_interval: 10, untracked: { runs: 0 }, evicted: 0, events_lost: 0 };
            return [trackingText({ total: 0, tracking: { ...tracking, size: 0 }, advice: "write this: {size: 5}" }),
              trackingText({ total: 1200 }), trackingText({ total: 60, tracking }),
              trackingText({ total: 60, tracking: { ...tracking, untracked: { runs: 2 }, events_lost: 1 } })];
            """)
        #expect(
            texts == [
                "Write this: {size: 5}", "1,200 exporters seen.", "60 tracked, room for 64.",
                "60 tracked, room for 64; 2 runs of untracked exporters; 1 event lost.",
            ])
    }

    @Test func `refreshes of an unchanged group write each cell's title once, with rate and total`()
        async throws
    {
        let results = try await Self.evaluate(
            [String].self, ["dom", "format", "rates", "counters", "grid", "groups"],
            """
            const outcome = { selected: 1234, failed_over: 0, held: 0, no_collector: 0, bad_packet: 0 };
            const group = { name: "bmp", protocol: "tcp", address: "::", port: 1790, attached: true, outcomes: outcome };
            const row = makeGroupRow("bmp");
            let writes = 0;
            for (const cell of row.cells) {
              const set = cell.setAttribute.bind(cell);
              cell.setAttribute = (name, value) => { if (name === "title") writes += 1; set(name, value); };
            }
            for (let refresh = 0; refresh < 3; refresh += 1) showGroupRow(row, group);
            const before = [`${writes}`, row.cells[0].title];
            for (const [time, selected] of [[0, 1234], [10, 1259]]) addStatus({ collectors: [], groups: [{ ...group, outcomes: { ...outcome, selected } }] }, time);
            showGroupRow(row, { ...group, outcomes: { ...outcome, selected: 1259 } });
            return [...before, row.cells[0].title];
            """)
        #expect(
            results == [
                "5", "not known yet; since the pool was made: 1,234", "2.5; since the pool was made: 1,259",
            ])
    }

    @Test func `256 colors differ, and each of the first 10 has 3:1 with the page in both schemes`() async throws {
        let results = try await Self.evaluate(
            [Double].self, ["palette"],
            """
            const linear8 = (byte) => { const part = byte / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; };
            const light = (text) => { const [r, g, b] = [1, 3, 5].map((at) => linear8(parseInt(text.slice(at, at + 2), 16))); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            const contrast = (one, other) => { const [low, high] = [light(one), light(other)].sort((a, b) => a - b); return (high + 0.05) / (low + 0.05); };
            return ["light", "dark"].flatMap((scheme) => {
              const all = Array.from({ length: 256 }, (_, slot) => colour(slot, scheme));
              return [new Set(all).size, Math.min(...all.slice(0, 10).map((one) => contrast(one, scheme === "light" ? "#ffffff" : "#14161a")))];
            });
            """)
        #expect(results[0] == 256 && results[2] == 256)
        #expect(results[1] >= 3 && results[3] >= 3, "\(results)")
    }

    @Test func `any two of the first 10 colors are 0.08 apart in OKLab, also for color-blind readers`()
        async throws
    {
        let distances = try await Self.evaluate(
            [Double].self, ["palette"],
            """
            // Machado, Oliveira, Fernandes: A Physiologically-based Model for Simulation of Color Vision Deficiency (2009), severity 1.
            const views = [[1, 0, 0, 0, 1, 0, 0, 0, 1],
              [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
              [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881]];
            const part = (text, at) => { const value = parseInt(text.slice(at, at + 2), 16) / 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
            const lab = ([r, g, b]) => {
              const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
              const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
              const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
              return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
                0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
            };
            const seen = (text, view) => { const rgb = [1, 3, 5].map((at) => part(text, at)); return lab([0, 3, 6].map((row) => Math.min(1, Math.max(0, view[row] * rgb[0] + view[row + 1] * rgb[1] + view[row + 2] * rgb[2])))); };
            const results = [];
            for (const scheme of ["light", "dark"]) for (const view of views) {
              const places = Array.from({ length: 10 }, (_, slot) => seen(colour(slot, scheme), view));
              results.push(Math.min(...places.flatMap((one, index) => places.slice(0, index).map((other) => Math.hypot(...one.map((value, axis) => value - other[axis]))))));
            }
            return results;
            """)
        #expect(distances.allSatisfy { $0 >= 0.08 }, "\(distances)")
    }

    @Test func `8 valid addresses are accepted, and 9 invalid ones get a sentence that names the mistake`() async throws
    {
        let problems = try await Self.evaluate(
            [String?].self, ["address"],
            """
            return ["10.0.0.1", "255.255.255.255", "0.0.0.0", "::", "::1", "2001:db8::1", "::ffff:10.0.0.1", "2001:DB8:0:0:0:0:0:1",
              "", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.0/24", "2001:db8::1::2", "fe80::1%eth0", "router1", "2001:db8:xyz::1"].map(addressProblem);
            """)
        #expect(problems.prefix(8).allSatisfy { $0 == nil }, "\(problems)")
        let words = [
            "Type the address", "four numbers", "four numbers", "four numbers", "prefix", "IPv6", "zone", "names",
            "IPv6",
        ]
        for (problem, word) in zip(problems.dropFirst(8), words) {
            #expect(problem?.contains(word) == true, "\(problem ?? "")")
        }
    }

    @Test func `each reason of explain has a sentence with the collector and the cause`() async throws {
        let texts = try await Self.evaluate(
            [String].self, ["address"],
            """
            const tell = (parts) => sentence({ address: "10.0.0.1", exporter: "10.0.0.1", bucket: 5, ranks: ["c1", "c2"], collector: "c1", ...parts })
              .map((part) => part.collector ?? part).join("");
            return [tell({ why: "owner", outcome: "selected" }), tell({ why: "alias", outcome: "selected", exporter: "pe1" }),
              tell({ why: "pin", outcome: "selected" }), tell({ why: "session", outcome: "selected", collector: "c2" }),
              tell({ why: "failover", outcome: "failed_over", collector: "c2" }), tell({ outcome: "held", why: "owner" }),
              tell({ outcome: "no_collector", collector: null, why: null }), tell({ bucket: null, why: "round-robin", collector: null, outcome: "selected" })];
            """)
        #expect(
            texts == [
                "10.0.0.1 goes to c1, the owner of its row.",
                "10.0.0.1, which is pe1, goes to c1, the owner of its name's row.",
                "10.0.0.1 goes to c1, to which it is pinned.",
                "10.0.0.1 stays with c2, where it has a BMP session; it goes to c1 when that has ended.",
                "10.0.0.1 goes to c2, in place of c1, which is away.",
                "10.0.0.1 is held for c1, which is absent: its traffic is dropped until the collector registers or the hold is over.",
                "10.0.0.1 reaches nobody: no collector is usable.",
                "10.0.0.1 goes to any collector: the assignment round-robin does not look at addresses.",
            ])
    }

    @Test func `columns keep every row in order of owners; the sentence counts waiting and displaced rows`()
        async throws
    {
        let results = try await Self.evaluate(
            [String].self, ["rows"],
            """
            const owners = Uint8Array.from({ length: 1000 }, (_, row) => row % 3);
            const now = owners.map((owner, row) => (owner === 2 ? row % 2 : owner));
            const columns = columnsOf(owners, now, 64);
            const total = columns.flat().reduce((sum, band) => sum + band[2], 0);
            const isSorted = columns.every((bands) => bands.every((band, index) => index === 0 || bands[index - 1][0] * 256 + bands[index - 1][1] < band[0] * 256 + band[1]));
            const collector = (parts) => ({ served_of_others: 0, waiting: 0, lost: 0, ...parts });
            const table = { table_size: 1000, assignment: "rendezvous", now: "", collectors: [] };
            return [String(total), String(isSorted), [...bytesOf("AQID/w==")].join(" "),
              rowsSentence({ ...table, collectors: [collector({})] }),
              rowsSentence({ ...table, collectors: [collector({ waiting: 1 }), collector({ served_of_others: 1200 })] }),
              rowsSentence({ ...table, now: undefined, assignment: "kernel" })];
            """)
        #expect(
            results == [
                "1000", "true", "1 2 3 255", "All 1,000 rows are with their owners.",
                "1 row is held for its collector; 1,200 rows are with another collector than their owners.",
                "A row is a turn, and collectors take turns (kernel).",
            ])
    }
}
