import Testing

@testable import ImageCore

/// The table of what comes after what.
struct CreationStageTests {
    @Test("Each job of a plan is in one stage, and the stages follow on one another to the last")
    func table() throws {
        let source = Life.available(disks: 3).image
        for plan in [Sample.plan(disks: 3, locations: 2), try #require(Plan.converting(source))] {
            let isConversion = plan.conversion != nil
            #expect(plan.firstJobs == (isConversion ? [.convert] : [.stopCheck]))
            var jobs = plan.firstJobs
            var all: [Job] = []
            while let job = jobs.first {
                for other in jobs { #expect(plan.jobs(after: other) == plan.jobs(after: job)) }
                all += jobs
                jobs = plan.jobs(after: job)
            }
            #expect(all == (isConversion ? [] : [.stopCheck]) + plan.captureJobs + plan.replicateJobs)
        }
    }

    @Test("Only the steps of the creation are in a stage; the others lead to nothing")
    func others() {
        let plan = Sample.plan(disks: 2)
        for step in Step.allCases { #expect((step.stage == nil) == (step == .launch || step == .cleanUp)) }
        #expect(plan.jobs(after: .launch(InstanceID(known: "i-new"))).isEmpty)
        #expect(plan.jobs(after: .replicate(Sample.locations[0])).isEmpty)
    }
}
