/// Users that the agent's own socket in a group may belong to. The kernel lets only
/// sockets of one user share a port: the user of the present sockets decides.
package enum PlaceholderUsers {
    /// The most likely user first, each user once.
    ///
    /// - Parameters:
    ///   - members: the users of the group's sockets, one for each.
    ///   - collectors: the users that collectors had when they registered, one for each.
    package static func inOrder(members: [UInt32], collectors: [UInt32]) -> [UInt32] {
        let living = byFrequency(members)
        return living + byFrequency(collectors).filter { !living.contains($0) }
    }

    /// The most frequent first, of those that are equally so the lowest.
    private static func byFrequency(_ users: [UInt32]) -> [UInt32] {
        let counts = users.reduce(into: [:]) { counts, user in counts[user, default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    }
}
