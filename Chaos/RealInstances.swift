import Foundation
import SystemPackage

/// The instances with real disks.
struct RealInstances: Sendable {
    let installation: Installation
    let count: Int

    func make() async throws {
        for number in 0..<count {
            try await installation.run(
                "instance",
                "sample",
                "--id",
                "i-real\(number)",
                "--owner",
                "real",
                "--mib",
                "1",
                "--data-disks",
                "1"
            )
        }
    }

    private func description(_ number: Int) -> FilePath {
        installation.data.appending("instances/i-real\(number)/instance.json")
    }

    func setStatus(_ status: String, of number: Int) throws {
        let path = description(number).string
        let other = status == "Running" ? "Stopped" : "Running"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        // `atomically`: no reader ever sees half of it.
        try text.replacingOccurrences(of: "\"\(other)\"", with: "\"\(status)\"")
            .write(toFile: path, atomically: true, encoding: .utf8)
    }

    func stopAll() throws {
        for number in 0..<count { try setStatus("Stopped", of: number) }
    }

    /// The disk that a captured file must be equal to.
    func source(of instance: String, _ file: String) -> FilePath {
        installation.data.appending("instances/\(instance)/\(file)")
    }
}
