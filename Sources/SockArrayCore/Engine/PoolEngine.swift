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
    let releaser: RowReleaser
    let registration: RegistrationParts
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
        releaser = RowReleaser(active, sessions, resetter, sockets, rows, misplaced, exporters, losses)
        registration = RegistrationParts(active, sessions, sockets, rows, releaser)
        auditor = GroupAuditor(
            active, sockets, registration.prover, registration.memberships, resetter, registration.registrar)
        traffic = TrafficReader(active)
    }

    var drainer: Drainer { Drainer(pool: active, sessions: sessions, rows: rows, releaser: releaser) }

    var registrar: Registrar { registration.registrar }
}

/// How collectors come and go, beside the loss of sockets.
struct RegistrationParts {
    let prover: SelectionProver
    let memberships = MulticastMemberships()
    let kept: KeptSockets
    let aside: SetAsideSlots
    let holds: HoldExtender
    let registrar: Registrar

    init(
        _ active: ActivePool, _ sessions: SessionIndex, _ sockets: SlotSockets, _ rows: RowScheduler,
        _ releaser: RowReleaser
    ) {
        prover = SelectionProver(active)
        kept = KeptSockets(active)
        aside = SetAsideSlots(active, prover, rows, releaser)
        holds = HoldExtender(active)
        registrar = Registrar(active, sessions, sockets, prover, memberships, rows, releaser, aside)
    }
}
