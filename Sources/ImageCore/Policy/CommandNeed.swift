/// What a command needs besides its image. The store reads it in the transaction that carries the command out.
public enum CommandNeed: Equatable, Sendable {
    /// The image that the command's image is converted from (`Image.refusal(ofSource:named:)`).
    case source(ImageID)
    /// Room in the owner's quota (`QuotaUsage.reserving`).
    case quota(QuotaUse)
}

extension ImageCommand {
    /// What it needs besides `image`, in the order in which it is read.
    public func needs(of image: Image) -> [CommandNeed] {
        switch self {
        case .retry:
            var needs: [CommandNeed] = []
            if let source = image.plan.conversion?.source { needs.append(.source(source)) }
            // A clean-up that has not ended yet has not released it.
            if image.quota == .none { needs.append(.quota(image.plan.quota)) }
            return needs
        case .describe, .cancel, .delete, .share, .unshare, .convert, .prove, .launch: return []
        }
    }
}

extension Image {
    /// Why this image cannot be converted from `source`, the image of that id; `nil` when it can.
    public func refusal(ofSource source: Image?, named id: ImageID) -> Rejection? {
        guard let source else { return .noImage(id) }
        return source.refusal(of: .convert(self.id), by: owner)
    }
}
