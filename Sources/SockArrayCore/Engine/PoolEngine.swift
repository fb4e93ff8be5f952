/// The parts of a running pool, in the order in which they use each other. Each guards one invariant.
struct PoolEngine {
    let active: ActivePool
    let sessions: SessionIndex
    let resetter = SessionResetter()
    let sockets: SlotSockets
    let rows: RowScheduler
    let misplaced: MisplacedSessions
    let exporters: ExporterTracker
    let losses: LossTracker
    let holds: HoldExtender
    let releaser: RowReleaser
    let registrar: Registrar
    let auditor: GroupAuditor
    let traffic: TrafficReader

    init(_ active: ActivePool) {
        self.active = active
        sessions = SessionIndex(active)
        sockets = SlotSockets(active)
        rows = RowScheduler(active)
        misplaced = MisplacedSessions(active, sessions, resetter, rows)
        exporters = ExporterTracker(active)
        losses = LossTracker(active, sockets)
        holds = HoldExtender(active)
        releaser = RowReleaser(active, sessions, resetter, sockets, rows, misplaced, exporters, losses)
        registrar = Registrar(active, sessions, sockets, rows, releaser)
        auditor = GroupAuditor(active, sockets, resetter, registrar)
        traffic = TrafficReader(active)
    }

    var drainer: Drainer { Drainer(pool: active, sessions: sessions, rows: rows, releaser: releaser) }
}
