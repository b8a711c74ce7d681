import Testing

@testable import ImageCore

@Suite("What a job does, why it waits, and when it goes on, is said")
struct ActivityTests {
    private func lease(_ job: Job, _ life: Life, progress: CopyProgress? = nil) -> Lease {
        Lease(
            image: life.image.id,
            job: job,
            fence: life.image.fence,
            worker: WorkerID(known: "w1"),
            expiresAt: Sample.now + .seconds(60),
            progress: progress,
            since: Sample.now
        )
    }

    private func shown(_ job: Job, _ life: Life, _ lease: Lease? = nil) -> ImageView.JobLine? {
        ImageView(life.image, leases: lease.map { [$0] } ?? []).jobs.first { $0.job == job }
    }

    @Test("a look into the guest, which no bytes tell of, is named, with its beginning")
    func look() throws {
        var plan = Sample.plan()
        plan.guestChecks = .enforce
        var life = Life(plan: plan)
        life.apply(.began(.stopCheck, attempt: 1))
        let line = try #require(shown(.stopCheck, life, lease(.stopCheck, life)))
        #expect(line.doing == "looking into the guest" && line.since == Sample.now.rfc3339)
        #expect(line.nextAt == nil && line.waitingFor == nil)
    }

    @Test("a copy beside which something else is done says so, also while its bytes move")
    func beside() {
        let seals: [(GuestChecks, [SealItem]?, String)] = [
            (.warn, nil, "copying, and looking into the guest"),
            (.fix, nil, "copying, and repairing the guest's files"),
            (.fix, [.dhcp], "copying, and sealing the copy"),
        ]
        for (checks, seal, text) in seals {
            var plan = Sample.plan()
            (plan.guestChecks, plan.seal) = (checks, seal)
            let image = Life(plan: plan).image
            #expect(image.activity(of: .systemDisk, CopyProgress(doneBytes: 1, totalBytes: 2)) == text)
        }
    }

    @Test("a copy whose bytes move says nothing else; before they do, it says what it looks at")
    func copy() throws {
        var plan = Sample.plan()
        plan.guestChecks = .off
        var life = Life(plan: plan)
        life.run(.stopCheck)
        life.apply(.began(.systemDisk, attempt: 1))
        let moving = lease(.systemDisk, life, progress: CopyProgress(doneBytes: 1, totalBytes: 2))
        #expect(shown(.systemDisk, life, moving)?.doing == nil)
        for progress in [nil, CopyProgress(doneBytes: 0, totalBytes: 0)] {
            let line = shown(.systemDisk, life, lease(.systemDisk, life, progress: progress))
            #expect(line?.doing == "measuring what to copy")
        }
    }

    @Test("what has failed says why, which attempt is next, and when that is")
    func retry() throws {
        var life = Life()
        life.run(.stopCheck)
        #expect(shown(.systemDisk, life)?.nextAt == nil, "it is only queued")
        for attempt in 1...5 {
            life.apply(.began(.systemDisk, attempt: attempt))
            life.apply(.failed(.systemDisk, fence: life.image.fence, Sample.failure(.transient), discarded: true))
            let state = try #require(life.image.jobs[.systemDisk])
            let line = try #require(shown(.systemDisk, life))
            #expect(state.tries == attempt + 1 && line.attempt == attempt + 1)
            #expect(line.nextAt == state.dueAt?.rfc3339 && (state.dueAt ?? Sample.now) > Sample.now)
            #expect(state.reason == "UNAVAILABLE: the store of disks does not answer")
        }
    }

    @Test("what waits for a lock says so, and when it looks again")
    func waitsForLock() throws {
        var life = Life()
        let line = LockLine(holder: ImageID(known: "img-a"))
        life.apply(.began(.stopCheck, attempt: 1, lockLine: line))
        let reason = "instance i-web1 is held by the making of image img-a"
        let job = try #require(shown(.stopCheck, life))
        #expect(job.waitingFor == reason && job.nextAt != nil)
        #expect(life.image.jobs[.stopCheck]?.reason == reason)
    }

    @Test("a job that is not open yet says after what it comes")
    func later() {
        let life = Life()
        #expect(life.image.precondition(of: .systemDisk) == "after the check")
        #expect(life.image.precondition(of: .replicate(Sample.locations[0])) == "after the captures")
        #expect(life.image.precondition(of: .stopCheck) == nil)
    }
}

@Suite("A dry run counts the look into the guest")
struct EstimateTests {
    private func seconds(_ guestChecks: GuestChecks, _ rates: CopyRates) -> Int64? {
        var plan = Sample.plan()
        plan.guestChecks = guestChecks
        let quota = QuotaUsage(owner: Sample.owner, used: .none, limits: QuotaLimits(images: 5, snapshots: 5))
        return DryRun(plan: plan, copyBytes: [.system: 100], findings: [], quota: quota, rates: rates).estimatedSeconds
    }

    @Test("as it took lately: beside the copying, or before or after it; not when nobody looks")
    func look() {
        let rates = CopyRates(capture: 100, replication: 100, lookSeconds: 30)
        #expect(seconds(.off, rates) == 2)
        #expect(seconds(.warn, rates) == 31 && seconds(.enforce, rates) == 32 && seconds(.fix, rates) == 32)
        let slow = CopyRates(capture: 2, replication: 100, lookSeconds: 30)
        #expect(seconds(.warn, slow) == 51 && seconds(.fix, slow) == 81)
        #expect(seconds(.warn, CopyRates(lookSeconds: 30)) == nil, "nothing was copied lately")
    }

    @Test("from the images whose guest was looked into, wherever that was done")
    func rates() throws {
        var lines: [Announcement] = []
        // 1,000 bytes are copied in a second.
        for (check, capture) in [(20, 1), (0, 23), (0, 1), (0, 25)] {
            lines.append(line(.stopCheck, seconds: check))
            lines.append(line(.systemDisk, seconds: capture, bytes: 1_000))
            lines.append(line(.replicate(Sample.locations[0]), seconds: 1, bytes: 1_000))
        }
        let rates = CopyRates(of: lines)
        #expect(rates.capture == 1_000, "a look does not make bytes flow slower")
        let look = try #require(rates.lookSeconds)
        #expect(look >= 20 && look <= 24)
        #expect(CopyRates(of: []) == CopyRates())
    }

    private func line(_ job: Job, seconds: Int, bytes: Int64? = nil) -> Announcement {
        Announcement(
            kind: .stepDone,
            sequence: 1,
            at: Sample.now,
            status: .pending,
            job: job,
            bytes: bytes,
            milliseconds: Int64(seconds) * 1_000
        )
    }
}
