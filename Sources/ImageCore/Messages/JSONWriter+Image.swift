/// An image's document.
extension Image: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("attemptsBefore", attemptsBefore)
            json.member("bootProof", encoded: bootProof)
            json.member("cleaned", cleaned)
            json.member("createdAt", createdAt)
            json.member("details", details)
            json.member("failure", failure)
            json.member("fence", fence)
            json.member("findings", findings)
            json.member("id", id)
            json.key("jobs")
            json.object { json in
                for (job, state) in jobs.map({ ($0.key.description, $0.value) }).sorted(by: { $0.0 < $1.0 }) {
                    json.key(job)
                    state.write(to: &json)
                }
            }
            json.key("labels")
            json.object { json in
                for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
                    json.key(name)
                    json.string(value)
                }
            }
            json.member("launchAttempts", launchAttempts)
            json.member("ledger", ledger)
            json.member("name", name)
            json.member("owner", owner)
            json.member("plan", plan)
            json.member("quota", quota)
            json.member("requestID", requestID)
            json.member("sequence", sequence)
            json.member("status", status)
            json.member("storedReferences", encoded: storedReferences)
            json.member("trace", trace)
            json.member("updatedAt", updatedAt)
        }
    }
}

extension Plan: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("bootProof", encoded: bootProof)
            $0.member("conversion", encoded: conversion)
            $0.member("dataDisks", dataDisks)
            $0.member("guestChecks", guestChecks)
            $0.member("host", host)
            $0.member("instanceID", instanceID)
            $0.member("locationDrivers", encoded: locationDrivers)
            $0.member("locationHosts", encoded: locationHosts)
            $0.member("locations", locations)
            $0.member("seal", encoded: seal)
            $0.member("secretScan", encoded: secretScan)
            $0.member("systemDisk", systemDisk)
        }
    }
}

extension PlannedDisk: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("autoDelete", autoDelete)
            $0.member("device", device)
            $0.member("kind", kind)
            $0.member("sizeBytes", sizeBytes)
        }
    }
}

extension JobState: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("attempt", attempt)
            $0.member("dueAt", dueAt)
            $0.member("expectedAt", expectedAt)
            $0.member("fence", fence)
            $0.member("lastFailure", lastFailure)
            $0.member("lost", lost)
            $0.member("output", output)
            $0.member("phase", phase)
            $0.member("publications", publications)
            $0.member("startedAt", startedAt)
            $0.member("waiting", waiting)
        }
    }
}

extension JobState.Waiting: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("reason", reason)
            $0.member("since", since)
        }
    }
}

extension JobOutput: JSONWritable {
    /// One member with the case's name, as `Codable` writes enumerations.
    func write(to json: inout JSONWriter) {
        json.object { json in
            switch self {
            case .checked(let findings):
                json.key("checked")
                json.object { $0.member("_0", findings) }
            case .captured(let capture):
                json.key("captured")
                json.object { $0.member("_0", capture) }
            case .replicated(let replica):
                json.key("replicated")
                json.object { $0.member("_0", replica) }
            case .observed(let seen):
                json.key("observed")
                json.object { $0.member("_0", encoded: seen) }
            case .built:
                json.key("built")
                json.object { _ in }
            case .launched(let instance):
                json.key("launched")
                json.object { $0.member("_0", instance) }
            case .cleaned:
                json.key("cleaned")
                json.object { _ in }
            }
        }
    }
}

extension Capture: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("device", device)
            $0.member("fileSizeBytes", fileSizeBytes)
            $0.member("format", format)
            $0.member("guestFix", encoded: guestFix)
            $0.member("resource", resource)
            $0.member("seal", encoded: seal)
            $0.member("secrets", encoded: secrets)
            $0.member("sha256", sha256)
            $0.member("virtualSizeBytes", virtualSizeBytes)
        }
    }
}

extension Replica: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("files", files)
            $0.member("location", location)
            $0.member("resource", resource)
        }
    }
}

extension Replica.File: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("device", device)
            $0.member("name", name)
            $0.member("sha256", sha256)
            $0.member("sizeBytes", sizeBytes)
        }
    }
}

extension Resource: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("driver", driver)
            $0.member("host", host)
            $0.member("id", id)
            $0.member("imageID", imageID)
            $0.member("kind", kind)
            $0.member("location", location)
        }
    }
}

extension LedgerEntry: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("fence", fence)
            $0.member("isAdopted", isAdopted)
            $0.member("job", job)
            $0.member("resource", resource)
        }
    }
}

extension ImageFailure: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("at", at)
            $0.member("attempts", attempts)
            $0.member("cause", cause)
            $0.member("job", job)
        }
    }
}

extension StepFailure: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("advice", advice)
            $0.member("code", code)
            $0.member("disposition", disposition)
            $0.member("isFixedByAdvice", isFixedByAdvice)
            $0.member("madeNothing", madeNothing)
            $0.member("message", message)
        }
    }
}

extension Finding: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("advice", advice)
            $0.member("code", code)
            $0.member("file", file)
            $0.member("line", line)
            $0.member("message", message)
            $0.member("severity", severity)
            $0.member("text", text)
        }
    }
}

extension QuotaUse: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("images", images)
            $0.member("snapshots", snapshots)
        }
    }
}
