import ImageCore

/// What a request needs to know of the compute system.
extension Intake {
    enum Look<Found> {
        case found(Found)
        case refused(Rejection)
        /// The driver cannot tell what there is.
        case unknown(StepFailure)
        /// This worker stops. A driver that was interrupted says nothing of the request.
        case stopped
    }

    /// What an image of the instance would be made of.
    func plan(_ request: CreateRequest) async -> Look<Plan> {
        let id: InstanceID
        do throws(Rejection) { id = try context.options.drivers.whole(request.instanceID) } catch {
            return .refused(error)
        }
        var tries = 0
        while true {
            tries += 1
            do throws(StepFailure) {
                let instance = try await context.driver.describe(id, for: request.owner)
                let locations = try await context.driver.locations()
                do throws(Rejection) {
                    return .found(
                        try Plan.make(
                            for: request,
                            instance: instance,
                            knownLocations: locations,
                            lanes: context.options.installation,
                            bootProof: context.options.bootProof.terms(
                                asked: request.bootProof,
                                obstacle: context.telemetry.tools.bootObstacle
                            )
                        )
                    )
                } catch {
                    return .refused(error)
                }
            } catch {
                if Task.isCancelled { return .stopped }
                guard tries < Self.driverTries, error.disposition == .transient else {
                    return error.code.isAboutTheRequest
                        ? .refused(Rejection(error.code, error.message, field: "instanceId")) : .unknown(error)
                }
                do { try await context.time.sleep(for: .seconds(1)) } catch _ { return .stopped }
            }
        }
    }

    /// Where a launch is from, and the id that it asks for, if no instance has it, or a new one. Only what the driver says
    /// does not exist is free: one that it cannot describe exists all the same.
    func place(of body: LaunchRequest, _ image: Image) async -> Look<(location: LocationName, instance: InstanceID)> {
        let place: (location: LocationName, instance: InstanceID)
        do throws(Rejection) {
            let wanted = body.instanceID ?? InstanceID(known: newID("i"))
            place = try image.place(of: body, as: wanted, among: context.options.drivers)
        } catch {
            return .refused(error)
        }
        guard body.instanceID != nil else { return .found(place) }
        let id = place.instance
        do throws(StepFailure) {
            _ = try await context.driver.describe(id, for: nil)
            return .refused(.instanceExists(id))
        } catch {
            if Task.isCancelled { return .stopped }
            if error.code == .notFound { return .found(place) }
            return error.disposition == .permanent ? .refused(.instanceExists(id)) : .unknown(error)
        }
    }

    /// For example `img-5f0c2b7e9a41d3c8`.
    func newID(_ prefix: String) -> String {
        let halves = (0..<2).map { _ in UInt64(context.random() * 0x1p32) }
        let digits = String(halves[0] << 32 | halves[1], radix: 16)
        return prefix + "-" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}
