/// The seam to a real compute and storage system, in intentions. One conformance suite runs against every driver.
///
/// Rules for every driver:
/// - Nothing here decides a retry. A driver throws a `StepFailure` that says what kind of failure it is.
/// - Outputs go only to the given resource, whose id carries the fencing number. A second call for the same resource
///   starts from nothing: it replaces whatever a dead worker left under that id.
/// - A cancelled task stops promptly, ends its child processes, and throws; what it left is deleted by `delete`.
/// - `progress` is called at least once a second while bytes flow, from any thread.
public protocol ImageDriver: Sendable {
    /// - Parameter owner: the asking owner; `nil` for an operator, who sees every instance.
    /// - Throws: `StepFailure.noInstance` when there is none, or when it is another owner's: an owner must not learn
    ///   which instances others have, not even from what is wrong with one.
    func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance

    /// Every instance, by id.
    func instances() async throws(StepFailure) -> [Instance]

    /// The locations this driver can replicate to, by name.
    func locations() async throws(StepFailure) -> [Location]

    /// Finds out before any byte is copied whether a disk can be captured: there, readable, sound, not being written.
    func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure)

    /// The same of several disks that one image needs, and whether there is room for all of them together.
    func checkDisks(_ devices: [DeviceName], of instance: InstanceID) async throws(StepFailure)

    /// How many bytes a capture of this disk would copy at most.
    func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64

    /// Looks into the files on a stopped instance's system disk, and changes nothing there.
    ///
    /// Not being able to look is an answer, not a failure: what it means is for the caller to say.
    /// - Throws: when the instance or its disk is not fit to be captured either, or the task was cancelled.
    func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection

    /// Captures one disk into `resource` (an image file or a snapshot) and checks the result.
    /// - Throws: `FAILED_PRECONDITION` when the instance is not stopped before *and after* the copy, when the disk is
    ///   being written, is corrupt or unreadable, or its backing chain leaves its folder.
    func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture

    /// Copies the captures, or a replica of them, to `resource.location`, verifies each file's SHA-256 against its
    /// capture's, and writes `manifest` last, so that a copy with a manifest is a whole copy.
    func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica

    /// Starts a throw-away machine from a replica's disks, and tells what is seen of it.
    ///
    /// The replica's bytes stay as they are. Not being able to tell whether the guest started is an answer, not a
    /// failure. What the machine writes, and the machine, are gone when this returns or throws; its console's text and
    /// a picture of its screen may be kept beside the replica's manifest.
    /// - Throws: when no machine can be started, or the replica is not there.
    func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation

    /// Copies a captured local system disk into a snapshot, and verifies the copy's SHA-256 against the capture's.
    func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture

    /// Puts the disks of a new, stopped instance together in `resource`: copies of a replica's files, each verified
    /// against the replica's checksum, and empty disks. No instance is there yet.
    func launch(_ call: LaunchCall) async throws(StepFailure)

    /// Makes what `launch` has put together in `resource` the instance, in one step. Done already is success.
    /// - Throws: `CONFLICT` when there is another instance of that id.
    func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure)

    /// Deletes what a failed launch has built in `resource`, and the instance if it was published from just that.
    /// Only for a launch that is known to have failed, since only its owner may delete an instance. After it no late
    /// call can publish one.
    func rollBackLaunch(_ resource: Resource) async throws(StepFailure)

    /// Deletes a resource and everything a half-done operation left of it. Already gone is success. An instance that
    /// was published is no resource any more, and is left alone.
    func delete(_ resource: Resource) async throws(StepFailure)

    /// Every resource that exists, whole or partial, so that orphans can be found.
    func inventory() async throws(StepFailure) -> [Resource]
}

extension ImageDriver {
    /// One after the other, for drivers whose disks do not share their room.
    public func checkDisks(_ devices: [DeviceName], of instance: InstanceID) async throws(StepFailure) {
        for device in devices { try await checkDisk(device, of: instance) }
    }

    /// As an operator sees it.
    public func describe(_ instance: InstanceID) async throws(StepFailure) -> Instance {
        try await describe(instance, for: nil)
    }
}

extension StepFailure {
    /// The one answer for an instance that does not exist and for another owner's.
    public static func noInstance(_ id: InstanceID) -> StepFailure {
        StepFailure(.permanent, .notFound, "there is no instance \(id)", advice: "check the instance's id")
    }
}
