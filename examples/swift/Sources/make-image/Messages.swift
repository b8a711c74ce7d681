/// What `image.create` takes; docs/messages.md has the rest of it.
struct CreateRequest: Encodable {
    struct Disk: Encodable { var device: String }

    /// The same for every copy of this request: however often it is sent, it makes one image.
    var requestId: String
    var owner: String
    var instanceId: String
    var name: String
    var dataDisks: [Disk]
}

struct Answer: Decodable {
    var status: String
    var imageId: String?
    var code: String?
    var message: String?
    var field: String?
}

/// The parts of an event that this program looks at. There are more, and there will be more.
struct Event: Decodable {
    struct Data: Decodable {
        struct Progress: Decodable {
            var doneBytes: Int
            var totalBytes: Int
        }

        var imageId: String
        var requestId: String?
        var status: String
        var step: String?
        var subject: String?
        var code: String?
        var message: String?
        var advice: String?
        var progress: Progress?
    }

    var type: String
    var time: String
    /// Numbers an image's events from 1, so that second copies can be told.
    var sequence: String?
    var data: Data
}
