import ImageCore

extension ImageID {
    var link: HTML { tag(.a, .href(.image(self))) { tag(.code) { text } } }
}

extension InstanceID {
    var link: HTML { tag(.a, .href(.instance(self))) { tag(.code) { text } } }
}

extension Job {
    /// For pages that show the image's id already.
    var title: String {
        switch self {
        case .stopCheck: "Stop check"
        case .systemDisk: "System disk"
        case .convert: "Convert the system disk"
        case .launch(let instance): "Launch \(instance)"
        case .dataDisk(let device): "Data disk \(device)"
        case .replicate(let location): "Replicate to \(location)"
        case .bootProof(let location): "Boot proof at \(location)"
        // The page says already which image's they are.
        case .cleanUp(let resource): "Clean up \(resource.text.split(separator: ".", maxSplits: 1).last ?? "")"
        }
    }
}

/// A name and what stands for it, in a list of facts.
func fact(_ name: String, @HTMLBuilder _ content: () -> HTML) -> HTML {
    tag(.div) {
        tag(.dt) { name }
        tag(.dd, content: content)
    }
}
