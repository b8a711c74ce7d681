/// How many jobs a lane works on at once. First come, first served.
///
/// The broker's prefetch alone does not bound this: a delivery whose work outlasts `hold` is settled early, and the
/// broker then sends the next one.
actor Slots {
    private var free: Int
    private(set) var waiting: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
    /// Those whose timeout ended before they began to wait.
    private var impatient: Set<Int> = []
    private var lastID = 0
    private(set) var isClosed = false

    init(_ count: Int) { free = max(1, count) }

    /// Waits for a slot.
    /// - Returns: `false` when `timeout` returned first, or slots are closed. A delivery must not be held for long, not
    ///   even while it waits.
    nonisolated func acquire(timeout: @escaping @Sendable () async -> Void) async -> Bool {
        guard !(await isClosed) else { return false }
        guard let id = await takeOrQueue() else { return true }
        let isGranted = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await timeout()
                await self.giveUp(id)
            }
            let isGranted = await self.wait(id)
            group.cancelAll()
            return isGranted
        }
        await forget(id)
        return isGranted
    }

    /// Closes the slots: waiting jobs do not begin.
    func close() {
        isClosed = true
        for one in waiting { one.continuation.resume(returning: false) }
        waiting = []
    }

    func release() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().continuation.resume(returning: true) }
    }

    /// - Returns: `nil` when a slot was free, else a number to wait under.
    private func takeOrQueue() -> Int? {
        if free > 0 {
            free -= 1
            return nil
        }
        lastID += 1
        return lastID
    }

    private func wait(_ id: Int) async -> Bool {
        if isClosed || impatient.contains(id) { return false }
        if free > 0 {
            free -= 1
            return true
        }
        return await withCheckedContinuation { waiting.append((id, $0)) }
    }

    private func giveUp(_ id: Int) {
        impatient.insert(id)
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(returning: false)
    }

    private func forget(_ id: Int) { impatient.remove(id) }
}
