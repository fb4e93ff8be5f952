/// The four best scores for one bucket, the lowest first, and the fifth to compare them
/// with. No comparison is a branch, because the result can't be predicted.
struct Ranking {
    private(set) var first = ScoredCollector.none
    private(set) var second = ScoredCollector.none
    private(set) var third = ScoredCollector.none
    private(set) var fourth = ScoredCollector.none
    private var fifth = ScoredCollector.none

    @inline(__always)
    package init(_ scores: UnsafeBufferPointer<ScoredCollector>) {
        var next = 0
        if scores.count >= 4 {
            (first, second, third, fourth) = (scores[0], scores[1], scores[2], scores[3])
            Self.sort(&first, &second)
            Self.sort(&third, &fourth)
            Self.sort(&first, &third)
            Self.sort(&second, &fourth)
            Self.sort(&second, &third)
            next = 4
        }
        while next < scores.count {
            var score = scores[next]
            Self.sort(&first, &score)
            Self.sort(&second, &score)
            Self.sort(&third, &score)
            Self.sort(&fourth, &score)
            Self.sort(&fifth, &score)
            next &+= 1
        }
    }

    /// Whether the scores decide each rank.
    @inline(__always)
    var isCertain: Bool {
        !first.isClose(to: second) && !second.isClose(to: third) && !third.isClose(to: fourth)
            && !fourth.isClose(to: fifth)
    }

    @inline(__always)
    private static func sort(_ lower: inout ScoredCollector, _ higher: inout ScoredCollector) {
        let isSorted = lower.word <= higher.word
        (lower, higher) = (isSorted ? lower : higher, isSorted ? higher : lower)
    }
}
