/// A volume's content as an image.
extension OpenStackCloud {
    /// Sets what images that are made of a volume have as their properties, from their first moment on.
    public func setImageProperties(_ properties: [String: String], ofVolume id: String) async throws(OpenStackError) {
        let body: JSONPart = ["os-set_image_metadata": ["metadata": .texts(properties)]]
        let request = CloudRequest(.post, .volumes, "/volumes/\(id)/action", body: try JSONText.encode(body))
        _ = try await send(request)
    }

    /// Begins to make a qcow2 image of a volume that no server has.
    /// - Returns: the image's id.
    public func makeImage(named name: String, ofVolume id: String) async throws(OpenStackError) -> String {
        struct Answer: Decodable {
            var begun: Begun
            struct Begun: Decodable { var image_id: String }
            private enum CodingKeys: String, CodingKey { case begun = "os-volume_upload_image" }
        }
        let body: JSONPart = [
            "os-volume_upload_image": [
                "image_name": .text(name), "container_format": "bare", "disk_format": "qcow2",
            ]
        ]
        let request = CloudRequest(.post, .volumes, "/volumes/\(id)/action", body: try JSONText.encode(body))
        return try await send(request).json(Answer.self).begun.image_id
    }
}
