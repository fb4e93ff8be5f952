/// What a registration or its undoing changed.
public struct RegistrationChange: Equatable, Sendable, Codable {
    /// False: everything was so already.
    public let changed: Bool
    public let slot: UInt16
    /// Names of the groups in which the collector has a socket.
    public let groups: [String]
    /// Rows that stay elsewhere until their exporters' sessions there end.
    public var waitingRows: Int?
    /// The process whose sockets were in the slot, if they were taken over.
    public var predecessor: Predecessor?

    public init(
        changed: Bool, slot: UInt16, groups: [String], waitingRows: Int? = nil, predecessor: Predecessor? = nil
    ) {
        self.changed = changed
        self.slot = slot
        self.groups = groups
        self.waitingRows = waitingRows
        self.predecessor = predecessor
    }

    /// A process that has lost its slot to another one. It still has what it had received until then.
    public struct Predecessor: Equatable, Sendable, Codable {
        /// Nil: it is not known.
        public var process: ProcessIdentity?
        /// SO_COOKIE of its sockets, and of the sessions that it had then.
        public var cookies: [UInt64]

        public init(process: ProcessIdentity?, cookies: [UInt64]) {
            self.process = process
            self.cookies = cookies
        }
    }
}
