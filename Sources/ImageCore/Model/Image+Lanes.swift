/// Which lane a job goes to: that of the host which has the files it reads or deletes.
extension Image {
    public func lane(of job: Job) -> Lane { .job(job.step, on: host(of: job)) }

    /// The host that a job is done on; `nil` when any worker without a host can do it.
    public func host(of job: Job) -> HostName? {
        switch job {
        case .stopCheck, .systemDisk, .dataDisk, .convert: plan.host
        case .replicate(let location), .bootProof(let location): plan.host(of: location)
        case .launch: launch(of: job).flatMap { plan.host(of: $0.location) }
        case .cleanUp(let doomed): ledger.first { $0.resource.id == doomed }?.resource.host
        }
    }

    /// The driver that makes what a job makes.
    func driver(of job: Job) -> DriverName? {
        switch job {
        case .stopCheck, .systemDisk, .dataDisk, .convert: plan.instanceID.driver
        case .replicate(let location), .bootProof(let location): plan.driver(of: location)
        case .launch(let instance): instance.driver
        case .cleanUp(let doomed): ledger.first { $0.resource.id == doomed }?.resource.driver
        }
    }

    /// What an attempt of a job makes, on the job's host; `nil` for a job that makes nothing.
    func resource(for job: Job, fence: Int64) -> Resource? {
        var resource = plan.resource(for: job, of: id, fence: fence)
        resource?.host = host(of: job)
        resource?.driver = driver(of: job)
        return resource
    }

    /// The worker that a job waits for because none serves its lane; `nil` when one does, or the job does not wait.
    public func missingWorker(for job: Job, among workers: [WorkerStatus]) -> String? {
        let lane = lane(of: job)
        guard jobs[job]?.phase == .waiting, workers.count(serving: lane) == 0 else { return nil }
        return lane.host.map { "a worker of host \($0) that serves \(job.step.rawValue)" }
            ?? "a worker that serves \(lane)"
    }
}
