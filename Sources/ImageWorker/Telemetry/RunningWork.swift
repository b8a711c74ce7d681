import ImageCore
import Synchronization

/// A worker's jobs at this moment, for people who wait for its end.
final class RunningWork: Sendable {
    private struct Key: Hashable {
        var image: ImageID
        var fence: Int64
    }
    private let works: Mutex<[Key: (job: Job, progress: LatestProgress)]> = Mutex([:])

    func begins(_ jobLease: JobLease, _ progress: LatestProgress) {
        works.withLock { $0[Key(image: jobLease.image.id, fence: jobLease.fence)] = (jobLease.job, progress) }
    }

    func ends(_ jobLease: JobLease) {
        works.withLock { _ = $0.removeValue(forKey: Key(image: jobLease.image.id, fence: jobLease.fence)) }
    }

    /// For example `system-disk of img-5f0c2b7e9a41d3c8 (43 %)`, sorted.
    var descriptions: [String] {
        works.withLock { works in
            works.map { key, work in
                let percent = work.progress.value.flatMap { progress in
                    progress.totalBytes > 0 ? " (\(progress.doneBytes * 100 / progress.totalBytes) %)" : nil
                }
                return "\(work.job) of \(key.image)\(percent ?? "")"
            }.sorted()
        }
    }
}
