import FoundationEssentials
import ImageCore

extension SimulatedDriver {
    /// What stands for a resource. Without sums it is only begun.
    ///
    /// Its form is simple, since a benchmark must not measure the simulated system: a line with the resource, a line for
    /// each sum, an empty line, and the manifest.
    struct Marker {
        var resource: Resource
        var sums: [String: String] = [:]
        var manifest: [UInt8]?

        init(resource: Resource, sums: [String: String] = [:], manifest: [UInt8]? = nil) {
            (self.resource, self.sums, self.manifest) = (resource, sums, manifest)
        }

        init?(_ bytes: [UInt8]) {
            let head = bytes.prefix { $0 != UInt8(ascii: "\n") }
            guard let resource = try? JSONDecoder().decode(Resource.self, from: Data(head)) else { return nil }
            self.resource = resource
            var rest = bytes[head.endIndex...].dropFirst()
            while let line = Self.line(&rest), !line.isEmpty {
                guard let (device, sum) = Self.sum(in: line) else { return nil }
                sums[device] = sum
            }
            if !rest.isEmpty { manifest = Array(rest) }
        }

        var bytes: [UInt8] {
            var bytes = CanonicalJSON.bytes(resource)
            for (device, sum) in sums { bytes += "\n\(device) \(sum)".utf8 }
            bytes += "\n\n".utf8
            return bytes + (manifest ?? [])
        }

        /// The sum of a device, without a look at the rest.
        static func sum(of device: String, in bytes: [UInt8]) -> String? {
            var rest = bytes[...]
            _ = line(&rest)
            while let line = line(&rest), !line.isEmpty {
                if let (found, sum) = sum(in: line), found == device { return sum }
            }
            return nil
        }

        private static func sum(in line: ArraySlice<UInt8>) -> (device: String, sum: String)? {
            guard let space = line.firstIndex(of: UInt8(ascii: " ")) else { return nil }
            return (
                String(decoding: line[..<space], as: UTF8.self),
                String(decoding: line[space...].dropFirst(), as: UTF8.self)
            )
        }

        /// Takes a line off the beginning; `nil` when nothing is left.
        private static func line(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
            guard !rest.isEmpty else { return nil }
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            rest = rest[line.endIndex...].dropFirst()
            return line
        }
    }

    func marker(_ name: String) throws(StepFailure) -> Marker? {
        guard let bytes = try directory.read(name) else { return nil }
        guard let marker = Marker(bytes) else {
            throw StepFailure(.permanent, .internal, "The simulated system's file \(name) cannot be read.")
        }
        return marker
    }

    func write(_ marker: Marker, to name: String) throws(StepFailure) { try directory.write(marker.bytes, to: name) }
}
