/// A part of the benchmarks, and a section of RESULTS.md.
protocol Part {
    static var name: String { get }
    static var title: String { get }
    /// The Debian packages that the part needs or measures.
    static var packages: [String] { get }
    static var tables: [ReportTable] { get }
    /// The charts beside RESULTS.md, which charts.py draws.
    static var charts: [String] { get }

    init(_ options: BenchOptions)
    func measure(into results: inout Results, tell: (String) -> Void) throws
}

extension Part {
    static var packages: [String] { [] }
    static var charts: [String] { [] }
}

enum Parts {
    static var all: [any Part.Type] {
        [
            DatagramPart.self, StreamPart.self, ModePart.self, WorkerPart.self, ScalePart.self, ProgramPart.self,
            PrivilegePart.self,
            StepPart.self, IdeaPart.self, HashPart.self, LookupPart.self, AgentPart.self, TablePart.self,
        ]
    }
}
