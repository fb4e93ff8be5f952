import Testing

@testable import PoolModel

@Suite struct PlaceholderUsersTests {
    @Test(
        arguments: [
            ([], [], []), ([7], [8, 8, 8], [7, 8]), ([7, 6, 6, 5], [], [6, 5, 7]), ([], [9, 8, 9, 7], [9, 7, 8]),
            ([0, 1_000], [1_000, 0, 33], [0, 1_000, 33]),
        ] as [([UInt32], [UInt32], [UInt32])])
    func `placeholders prefer users of living sockets, then former ones: the most frequent, then the lowest`(
        members: [UInt32], collectors: [UInt32], order: [UInt32]
    ) {
        #expect(PlaceholderUsers.inOrder(members: members, collectors: collectors) == order)
    }
}
