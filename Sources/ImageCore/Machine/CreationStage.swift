/// What comes after what in the creation of an image: the one table.
///
/// | stage | jobs | when all of them are done |
/// |---|---|---|
/// | `check` | the stop-check | the captures begin |
/// | `capture` | one for each disk; or the conversion | the locks are released, and the replications begin |
/// | `replicate` | one for each location | the image is Available |
///
/// The boot proof belongs to the last stage and begins beside it, once the first replica is verified
/// (`Image+BootProof.swift`).
///
/// A job's messages are sent once it is open, and again when a duplicate of a job of the stage before arrives.
enum CreationStage: CaseIterable {
    case check
    case capture
    case replicate

    /// The stage that begins once every job of this one is done; `nil`: then the image is Available.
    var next: CreationStage? {
        switch self {
        case .check: .capture
        case .capture: .replicate
        case .replicate: nil
        }
    }

    /// What a job of this stage waits for, for people; `nil` for one that never waits for a stage.
    var precondition: String? {
        switch self {
        case .check: nil
        case .capture: "after the check"
        case .replicate: "after the captures"
        }
    }
}

extension Step {
    /// The stage that its jobs belong to; `nil` for a step that is no part of the creation.
    var stage: CreationStage? {
        switch self {
        case .stopCheck: .check
        case .systemDisk, .dataDisk, .convert: .capture
        case .replicate, .bootProof: .replicate
        case .launch, .cleanUp: nil
        }
    }
}

extension Plan {
    func jobs(in stage: CreationStage) -> [Job] {
        switch stage {
        case .check: conversion == nil ? [.stopCheck] : []
        case .capture: captureJobs
        case .replicate: replicateJobs
        }
    }

    /// What its creation begins with.
    var firstJobs: [Job] { CreationStage.allCases.lazy.map { jobs(in: $0) }.first { !$0.isEmpty } ?? [] }

    /// The jobs that open once all of `job`'s stage are done.
    func jobs(after job: Job) -> [Job] { job.step.stage?.next.map { jobs(in: $0) } ?? [] }
}
