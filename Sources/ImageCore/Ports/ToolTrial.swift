/// Tries what a driver needs of the machine it runs on, in the way in which real work uses it.
public protocol ToolTrial: Sendable {
    /// Tries everything that takes seconds at most.
    /// - Returns: what failed; `nil` when the trial was interrupted.
    func tryTools() async -> [ToolFault]?

    /// Tries whether guests can be looked into.
    /// - Parameter thoroughly: by a look into a guest of its own making, which takes a virtual machine's start; else only
    ///   whether all that it needs is there.
    /// - Returns: what failed; `nil` when it works, guests are not looked into here, or the trial was interrupted.
    func tryGuestLook(thoroughly: Bool) async -> ToolFault?

    /// Tries whether a machine could be started for a boot proof. Starts none, and makes no fault of it: no
    /// installation needs proofs.
    /// - Returns: a sentence without its full stop that says why not; `nil` when one could.
    func tryBoot() async -> String?
}
