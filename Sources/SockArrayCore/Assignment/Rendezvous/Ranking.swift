/// The best four bids for one bucket, the lowest first, and the fifth to tell them
/// from. No comparison is a branch: which way a bid goes, nobody can predict.
struct Ranking {
    private(set) var first = Bid.none
    private(set) var second = Bid.none
    private(set) var third = Bid.none
    private(set) var fourth = Bid.none
    private var fifth = Bid.none

    @inline(__always)
    init(_ bids: UnsafeBufferPointer<Bid>) {
        var next = 0
        if bids.count >= 4 {
            (first, second, third, fourth) = (bids[0], bids[1], bids[2], bids[3])
            Self.sort(&first, &second)
            Self.sort(&third, &fourth)
            Self.sort(&first, &third)
            Self.sort(&second, &fourth)
            Self.sort(&second, &third)
            next = 4
        }
        while next < bids.count {
            var bid = bids[next]
            Self.sort(&first, &bid)
            Self.sort(&second, &bid)
            Self.sort(&third, &bid)
            Self.sort(&fourth, &bid)
            Self.sort(&fifth, &bid)
            next &+= 1
        }
    }

    /// Whether the bids say who has each rank.
    @inline(__always)
    var isCertain: Bool {
        !first.isClose(to: second) && !second.isClose(to: third) && !third.isClose(to: fourth)
            && !fourth.isClose(to: fifth)
    }

    @inline(__always)
    private static func sort(_ lower: inout Bid, _ higher: inout Bid) {
        let isSorted = lower.word <= higher.word
        (lower, higher) = (isSorted ? lower : higher, isSorted ? higher : lower)
    }
}
