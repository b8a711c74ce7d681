import ImageCore

/// What an operator may ask for on behalf of an image's owner. The raw value stands in addresses.
enum ImageAction: String, CaseIterable, Sendable {
    case launch
    case share
    case unshare
    case convert
    case prove
    case cancel
    case retry
    case delete

    var operation: Operation {
        switch self {
        case .launch: .launch
        case .share: .share
        case .unshare: .unshare
        case .convert: .convert
        case .prove: .prove
        case .cancel: .cancel
        case .retry: .retry
        case .delete: .delete
        }
    }

    /// On its button.
    var word: String {
        switch self {
        case .launch: "Launch"
        case .share: "Share"
        case .unshare: "Unshare"
        case .convert: "Convert"
        case .prove: "Prove"
        case .cancel: "Cancel the making"
        case .retry: "Try again"
        case .delete: "Delete"
        }
    }

    /// Above the form.
    func question(_ name: String) -> String {
        switch self {
        case .launch: "Launch an instance of \(name)?"
        case .share: "Share \(name)?"
        case .unshare: "Take \(name) back?"
        case .convert: "Convert \(name)?"
        case .prove: "See whether \(name) boots?"
        case .cancel: "Cancel the making of \(name)?"
        case .retry: "Try \(name) again?"
        case .delete: "Delete \(name)?"
        }
    }

    /// Whether something is lost by it.
    var isDestructive: Bool { self == .cancel || self == .delete }

    /// Why this image does not allow it now; `nil` when it does, as far as is known without asking a worker.
    func refusal(by image: Image) -> Rejection? {
        switch self {
        case .cancel, .share, .launch, .retry: image.refusal(of: operation)
        case .unshare:
            image.refusal(of: operation)
                ?? (image.references.sharedWith.isEmpty
                    ? Rejection(.failedPrecondition, "image \(image.id) is not shared") : nil)
        case .convert:
            image.refusal(of: operation) ?? image.refusal(of: .convert(image.id), by: image.owner)
        case .prove:
            image.refusal(of: operation)
                ?? image.replicas.first.flatMap { image.refusal(of: .prove($0.location), by: image.owner) }
        case .delete:
            image.status == .deleted && image.keptSnapshots.isEmpty ? .noImage(image.id) : image.refusal(of: operation)
        }
    }

    static func allowed(by image: Image) -> [ImageAction] { allCases.filter { $0.refusal(by: image) == nil } }
}
