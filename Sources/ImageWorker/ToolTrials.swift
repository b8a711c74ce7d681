import ImageCore
import Logging

/// Tries a worker's tools when it starts and at intervals, and tells what changed.
struct ToolTrials {
    let context: WorkerContext
    let trial: any ToolTrial
    /// Gets the lanes that took work before a trial and take none after it.
    let pause: @Sendable ([Lane]) async -> Void

    /// How often is looked whether a trial is due.
    private static let beat = Duration.seconds(1)

    /// Until the task is cancelled. The first trial is the caller's.
    func run() async {
        while (try? await context.time.sleep(for: Self.beat)) != nil {
            if context.telemetry.tools.isDue(at: context.time.uptime()) { await tryOnce() }
        }
    }

    func tryOnce() async {
        let tools = context.telemetry.tools
        tools.begins(at: context.time.uptime())
        await note { [time = context.time] in tools.ended(await trial.tryTools(), at: time.uptime()) }
        tools.triedBoot(await trial.tryBoot())
    }

    /// The look into guests: first whether all is there for it, then by a real one. That takes a virtual machine's
    /// start: nothing waits for it, and it comes when a worker that has just started has done its first work.
    func runGuestLook() async {
        guard context.options.lanes.contains(where: { $0.step == .stopCheck || $0.step == .systemDisk }) else { return }
        let missing = await trial.tryGuestLook(thoroughly: false)
        await note { context.telemetry.tools.looked(missing) }
        // Workers that were started together do not all look at once.
        var pause = Duration.seconds(120 + 60 * context.random())
        while (try? await context.time.sleep(for: pause)) != nil {
            let fault = await trial.tryGuestLook(thoroughly: true)
            if Task.isCancelled { return }
            await note { context.telemetry.tools.looked(fault) }
            if fault == nil { return }
            pause = .seconds(600)
        }
    }

    /// Tells what a trial has changed, and pauses lanes.
    private func note(_ change: () async -> Void) async {
        let tools = context.telemetry.tools
        let before = tools.readiness
        let served = context.options.lanes.filter { tools.hindrance(of: $0) == nil }
        await change()
        let after = tools.readiness
        for fault in after.faults where !before.faults.contains(fault) {
            var facts: Logger.Metadata = ["tool": "\(fault.tool)", "reason": "\(fault.reason)"]
            if let advice = fault.advice { facts["advice"] = "\(advice)" }
            context.logger.error("the worker cannot do all of its work", metadata: facts)
        }
        for fault in before.faults where !after.faults.contains(where: { $0.tool == fault.tool }) {
            context.logger.notice("tool works again", metadata: ["tool": "\(fault.tool)"])
        }
        let paused = served.filter { tools.hindrance(of: $0) != nil }
        guard !paused.isEmpty else { return }
        context.logger.warning(
            "lanes take no work until it is repaired",
            metadata: ["lanes": "\(paused.map(\.description).joined(separator: ","))"]
        )
        await pause(paused)
    }
}
