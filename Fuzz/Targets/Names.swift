import ImageCore
import ImageDrivers

extension FuzzTarget {
    /// Names, and lists of them: a line that says what, then the text.
    static let names = FuzzTarget(name: "names") { input throws(BrokenPromise) in
        var lines = Lines(input)
        let (kind, text) = (lines.next(), lines.text)
        switch kind {
        case "locations": try checkLocations(text)
        case "device":
            guard let device = DeviceName(text) else { return }
            try promise(device.description.utf8.elementsEqual(text.utf8), "\(device)")
            try promise(DeviceName(position: device.position) == device, "its position is another's")
            try promise(IdentifierRule.allows(device.shortName), "unfit for a file's name")
        case "job":
            guard let job = Job(text) else { return }
            try promise(job.description.utf8.elementsEqual(text.utf8), "\(job)")
        case "lane":
            guard let lane = Lane(text) else { return }
            try promise(lane.description.utf8.elementsEqual(text.utf8), "\(lane)")
            try promise(lane.host.map { isPathComponent($0.text, atMost: 63) } ?? true, "a host's name")
        case "resource":
            guard let resource = ResourceID(text) else { return }
            try promise(isPathComponent(resource.text, atMost: 200), "\(resource)")
            _ = resource.imageID
        case "text":
            try promiseShowable(PlainText.word(text), atMost: PlainText.wordLimit * 4, "a word")
            try promiseShowable(PlainText.sentence(text), atMost: PlainText.sentenceLimit * 32, "a sentence")
        case "request":
            try promise(RequestID(text).map { $0.text.utf8.count <= 128 } ?? true, "a long request id")
        default:
            try promise(ImageID(text).map { isPathComponent($0.text, atMost: 63) } ?? true, "an image's id")
            try promise(Owner(text).map { isPathComponent($0.text, atMost: 63) } ?? true, "an owner")
            try promise(Owner(text)?.text.contains(".") != true, "an owner of two words")
        }
    }
}

private func isPathComponent(_ text: String, atMost limit: Int) -> Bool {
    (1...limit).contains(text.utf8.count) && text.first != "." && text.first != "-"
        && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") }
}

private func checkLocations(_ text: String) throws(BrokenPromise) {
    let locations: [LocationName: LocationFolder]
    do throws(Rejection) { locations = try LocationsSetting.parse(text, below: "/data") } catch {
        try promiseShowable(error.message, atMost: 512, "the complaint")
        return
    }
    try promise(!locations.isEmpty, "no location")
    let paths = locations.values.map(\.path)
    try promise(paths.allSatisfy { $0.hasPrefix("/") && !$0.utf8.contains(0) }, "a path that is none")
    try promise(
        (try? LocationsSetting.parse(LocationsSetting.text(of: locations), below: "/")) == locations,
        "written and read again it is another list"
    )
}
