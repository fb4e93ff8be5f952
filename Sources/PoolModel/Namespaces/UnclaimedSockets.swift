/// Sockets that a new pool finds in one of its groups: no pins name their collectors.
public struct UnclaimedSockets: Equatable, Sendable {
    public var group: ReuseportGroup
    public var count: Int
    /// Owners of the sockets, in order.
    public var users: [UInt32]
    /// `collector_user` of the configuration.
    public var expectedUser: UInt32?

    /// Nil: the group has no socket.
    ///
    /// - Parameters:
    ///   - sockets: all sockets of the group's protocol and port.
    ///   - expectedUser: `collector_user` of the configuration.
    public init?(_ group: ReuseportGroup, among sockets: [BoundSocket], expectedUser: UInt32? = nil) {
        let members = sockets.filter(group.hasMember)
        guard !members.isEmpty else { return nil }
        (self.group, self.expectedUser) = (group, expectedUser)
        count = members.count
        users = Set(members.map(\.user)).sorted()
    }

    public var problem: String {
        "the pool has no pins, but \(group.endpoint) has sockets already: \(count), of user "
            + "\(users.map { "\($0)" }.joined(separator: ", "))"
            + (users.count > 1 ? " (the kernel gives all traffic to the sockets of one of the users)" : "")
            + "; until their collectors register, exporters have no affinity, or their traffic is dropped; an earlier "
            + "agent may have lost its pins" + (excludedUser.map(Self.words) ?? "")
    }

    /// `collector_user`, if sockets of another user keep its sockets out.
    private var excludedUser: UInt32? { expectedUser.flatMap { users == [$0] ? nil : $0 } }

    private static func words(forExcluded user: UInt32) -> String {
        ". collector_user is \(user): while sockets of another user are bound there, sockets of user \(user) can't be bound "
            + "(EADDRINUSE); set collector_user to the user of the sockets that should stay"
    }

    /// - Parameter recognized: the agent finds the processes of so many of the collectors by itself.
    static func remedy(recognized: Int, of collectors: Int) -> String {
        let command = "reuseport-agent register --collector NAME --pid PID"
        return switch recognized {
        case 0: "register each collector: \(command)"
        case collectors:
            "the agent registers the collectors that it recognizes; see which are active: reuseport-agent status"
        default: "register each collector that the agent doesn't recognize by itself: \(command)"
        }
    }
}

extension PoolConfiguration {
    /// The next step for unclaimed sockets.
    public var remedyForUnclaimedSockets: String {
        UnclaimedSockets.remedy(recognized: collectors.count { $0.recognition != nil }, of: collectors.count)
    }
}
