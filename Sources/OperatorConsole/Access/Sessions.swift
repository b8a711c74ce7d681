import Crypto
import FoundationEssentials
import ImageCore
import Synchronization

/// A logged-in user.
struct Session: Sendable, Equatable {
    var account: String
    var role: Role
    /// What every form of this session carries, and no other site can know.
    var formToken: String
    var beganAt: Timestamp
    var lastSeenAt: Timestamp
}

/// The sessions, in memory: after a restart of the console all users log in again.
final class Sessions: Sendable {
    struct Limits: Sendable {
        /// Nothing was asked for this long.
        var idle = Duration.seconds(30 * 60)
        /// However busy.
        var absolute = Duration.seconds(12 * 3600)
        /// The most sessions at a time. The one that was idle longest gives way.
        var count = 1000
    }

    private let limits: Limits
    private let time: any Timekeeper
    /// By the hash of the cookie, so that looking one up takes no longer the more of it is right.
    private let sessions = Mutex<[SHA256.Digest: Session]>([:])

    init(time: any Timekeeper, limits: Limits = Limits()) {
        self.time = time
        self.limits = limits
    }

    /// - Returns: what the cookie holds.
    func begin(_ account: Account) -> String {
        let cookie = RandomBytes.token()
        let now = time.now()
        let session = Session(
            account: account.name,
            role: account.role,
            formToken: RandomBytes.token(),
            beganAt: now,
            lastSeenAt: now
        )
        sessions.withLock { sessions in
            sessions = sessions.filter { isAlive($0.value, at: now) }
            if sessions.count >= limits.count,
                let oldest = sessions.min(by: { $0.value.lastSeenAt < $1.value.lastSeenAt })
            {
                sessions[oldest.key] = nil
            }
            sessions[Self.key(cookie)] = session
        }
        return cookie
    }

    /// - Parameter isActivity: whether it counts as activity. What a page asks by itself does not.
    func session(_ cookie: String, isActivity: Bool) -> Session? {
        let now = time.now()
        return sessions.withLock { sessions in
            let key = Self.key(cookie)
            guard var session = sessions[key] else { return nil }
            guard isAlive(session, at: now) else {
                sessions[key] = nil
                return nil
            }
            if isActivity {
                session.lastSeenAt = now
                sessions[key] = session
            }
            return session
        }
    }

    var count: Int {
        let now = time.now()
        return sessions.withLock { sessions in sessions.values.count { isAlive($0, at: now) } }
    }

    func end(_ cookie: String) { sessions.withLock { $0[Self.key(cookie)] = nil } }

    private func isAlive(_ session: Session, at now: Timestamp) -> Bool {
        now - session.lastSeenAt < limits.idle && now - session.beganAt < limits.absolute
    }

    private static func key(_ cookie: String) -> SHA256.Digest { SHA256.hash(data: Data(cookie.utf8)) }
}
