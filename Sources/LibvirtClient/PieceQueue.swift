import Glibc

/// Pieces on their way from the thread that receives a file to the one that writes it. Both block here.
///
/// `@unchecked`: what can change is read and written under the lock. A `Mutex` has no condition to wait for with a limit.
final class PieceQueue: @unchecked Sendable {
    enum Taken {
        case piece(FilePiece)
        /// With the error that ended it.
        case end(LibvirtError?)
        /// Nothing came in time.
        case nothing
    }

    private let limit: Int
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var pieces: [FilePiece] = []
    private var ending: LibvirtError??
    private var hasStopped = false

    /// - Parameter limit: with so many pieces here, a giver waits.
    init(limit: Int) {
        self.limit = limit
        pthread_mutex_init(lock, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(change, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(change)
        pthread_mutex_destroy(lock)
        change.deallocate()
        lock.deallocate()
    }

    var isStopped: Bool { locked { hasStopped } }

    /// Waits for room.
    /// - Returns: `false` when nothing is wanted any more.
    func give(_ piece: FilePiece) -> Bool {
        locked {
            while pieces.count >= limit, !hasStopped { pthread_cond_wait(change, lock) }
            guard !hasStopped else { return false }
            pieces.append(piece)
            return true
        }
    }

    func end(_ error: LibvirtError?) { locked { ending = .some(error) } }

    /// Nothing more is taken. A giver that waits goes on.
    func stop() {
        locked {
            hasStopped = true
            pieces = []
        }
    }

    func take(within limit: Duration) -> Taken {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let (seconds, attoseconds) = limit.components
        let nanoseconds = deadline.tv_nsec + Int(attoseconds / 1_000_000_000)
        deadline.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
        deadline.tv_nsec = nanoseconds % 1_000_000_000
        return locked {
            while pieces.isEmpty {
                if let ending { return .end(ending) }
                guard pthread_cond_timedwait(change, lock, &deadline) == 0 else { return .nothing }
            }
            return .piece(pieces.removeFirst())
        }
    }

    /// Wakes the other thread after each change.
    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(change)
            pthread_mutex_unlock(lock)
        }
        return body()
    }
}
