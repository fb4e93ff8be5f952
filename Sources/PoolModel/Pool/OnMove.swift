/// What happens to an exporter's live BMP session when its rows change owner: by
/// `reload`, `drain` or `undrain`, or because its collector is back.
public enum OnMove: String, CaseIterable, Sendable {
    /// The exporter stays with the collector that has its session, with all its
    /// streams, until the session ends.
    case follow
    /// The session is ended (sock_destroy, CAP_NET_ADMIN): the router connects again,
    /// to the new owner.
    case reset
    /// UDP goes to the new owner at once; the session stays where it is until it ends.
    case immediate
}
