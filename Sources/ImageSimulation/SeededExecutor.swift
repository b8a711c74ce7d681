import CSwiftConcurrency
import Glibc
import Synchronization

/// Runs every job of the concurrency runtime that its own thread brings about, one at a time, in an order drawn from
/// the dice: so the interleavings of concurrent tasks are explored, and the same seed has the same ones.
///
/// A task executor alone would not do: it is not inherited by unstructured tasks, and no actor's job comes to it.
/// The runtime's hook sees all of them. Jobs of other threads go where they always go.
final class SeededExecutor: TaskExecutor {
    private let dice: SharedDice
    private let ready = Mutex<[UnownedJob]>([])

    init(dice: SharedDice) { self.dice = dice }

    var isIdle: Bool { ready.withLock { $0.isEmpty } }

    /// Called by the hook for what this thread enqueues.
    func enqueue(_ job: UnownedJob) { ready.withLock { $0.append(job) } }
    func enqueue(_ job: consuming ExecutorJob) { enqueue(UnownedJob(job)) }

    /// Makes this the place for all jobs of the calling thread while `body` runs.
    func run(_ body: () -> Void) {
        RuntimeHook.install
        pthread_setspecific(RuntimeHook.key, Unmanaged.passUnretained(self).toOpaque())
        body()
        pthread_setspecific(RuntimeHook.key, nil)
    }

    /// Runs one job, if one is ready.
    func step() {
        let job: UnownedJob? = ready.withLock { ready in
            guard !ready.isEmpty else { return nil }
            ready.swapAt(dice.number(below: ready.count), ready.count - 1)
            return ready.removeLast()
        }
        job?.runSynchronously(on: asUnownedTaskExecutor())
    }
}

/// The hook through which the runtime lets a program decide where its jobs run.
private enum RuntimeHook {
    typealias Original = @convention(thin) (UnownedJob) -> Void
    typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// Installs it once for the whole process.
    static let install: Void = {
        _ = key
        let hook: Hook = { job, original in
            guard let executor = pthread_getspecific(RuntimeHook.key) else { return original(job) }
            Unmanaged<SeededExecutor>.fromOpaque(executor).takeUnretainedValue().enqueue(job)
        }
        UnsafeMutableRawPointer(goldsmith_enqueue_hook()).assumingMemoryBound(to: Hook?.self).pointee = hook
    }()
}
