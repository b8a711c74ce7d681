/// What is written and sent with each transition of an image: a line of its history, its event, a job, an answer.
extension Announcement: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("actor", actor)
            $0.member("at", at)
            $0.member("attempt", attempt)
            $0.member("bytes", bytes)
            $0.member("failure", failure)
            $0.member("job", job)
            $0.member("kind", kind)
            $0.member("launch", encoded: launch)
            $0.member("milliseconds", milliseconds)
            $0.member("reason", reason)
            $0.member("sequence", sequence)
            $0.member("status", status)
        }
    }
}

extension CloudEvent: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("data", data)
            $0.member("datacontenttype", datacontenttype)
            $0.member("id", id)
            $0.member("sequence", sequence)
            $0.member("source", source)
            $0.member("specversion", specversion)
            $0.member("subject", subject)
            $0.member("time", time)
            $0.member("type", type)
        }
    }
}

extension CloudEvent.Data: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("advice", advice)
            $0.member("attempt", attempt)
            $0.member("bootProof", encoded: bootProof)
            $0.member("code", code)
            $0.member("disks", disks)
            $0.member("field", field)
            $0.member("findings", findings)
            $0.member("imageId", imageId)
            $0.member("instanceId", instanceId)
            $0.member("locations", locations)
            $0.member("message", message)
            $0.member("name", name)
            $0.member("owner", owner)
            $0.member("progress", progress)
            $0.member("requestId", requestId)
            $0.member("status", status)
            $0.member("step", step)
            $0.member("subject", subject)
        }
    }
}

extension CloudEvent.Data.File: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("device", device)
            $0.member("fileSizeBytes", fileSizeBytes)
            $0.member("resource", resource)
            $0.member("sha256", sha256)
            $0.member("virtualSizeBytes", virtualSizeBytes)
        }
    }
}

extension CopyProgress: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("doneBytes", doneBytes)
            $0.member("totalBytes", totalBytes)
        }
    }
}

extension JobMessage: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("attempt", attempt)
            $0.member("failure", failure)
            $0.member("imageId", imageId)
            $0.member("job", job)
        }
    }
}

extension OutgoingMessage: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("attempt", attempt)
            $0.member("body", body)
            $0.member("contentType", contentType)
            $0.member("correlationID", correlationID)
            $0.member("destination", destination)
            $0.member("id", id)
            $0.member("isVouchedFor", isVouchedFor)
            $0.member("reason", reason)
            $0.member("replyTo", replyTo)
            $0.member("routingKey", routingKey)
            $0.member("trace", trace)
        }
    }
}

extension OutgoingMessage.Destination: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object { json in
            switch self {
            case .requests: json.key("requests")
            case .jobs: json.key("jobs")
            case .retry(let delay):
                json.key("retry")
                return json.object { $0.member("_0", delay) }
            case .dead: json.key("dead")
            case .parking: json.key("parking")
            case .events: json.key("events")
            case .reply: json.key("reply")
            }
            json.object { _ in }
        }
    }
}

extension TraceContext: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("parent", parent)
            $0.member("state", state)
        }
    }
}

extension Answer: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("code", code)
            $0.member("disks", encoded: disks)
            $0.member("dryRun", encoded: dryRun)
            $0.member("field", field)
            $0.member("image", encoded: image)
            $0.member("imageId", imageId)
            $0.member("imageStatus", imageStatus)
            $0.member("images", encoded: images)
            $0.member("instanceId", instanceId)
            $0.member("message", message)
            $0.member("nextPage", encoded: nextPage)
            $0.member("status", status)
        }
    }
}
