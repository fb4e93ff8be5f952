/// What the sockarrays are to hold, as it was registered: SO_COOKIE by group and entry.
package struct RegisteredCookies {
    private var cookies: [ReuseportGroup: [Slot: [SocketEntry: UInt64]]] = [:]

    package init() {}

    /// Those of a slot in a group. Empty: none.
    package subscript(group: ReuseportGroup, slot: Slot) -> [SocketEntry: UInt64] {
        get { cookies[group]?[slot] ?? [:] }
        set { cookies[group, default: [:]][slot] = newValue }
    }

    /// The slot's sockets were taken out of all groups.
    package mutating func forget(_ slot: Slot) {
        for group in cookies.keys { cookies[group]![slot] = nil }
    }
}
