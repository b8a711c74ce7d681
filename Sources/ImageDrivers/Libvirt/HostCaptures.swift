import ImageCore
import LibvirtClient

/// Captures on another host, fetched through its libvirt. They lie there below the same path as here.
struct HostCaptures: CaptureSource {
    let local: LocalDriver
    let host: HostName
    let driver: LibvirtDriver
    /// A replica of them there, which is fetched instead.
    var replica: HostReplica?

    struct HostReplica {
        var resource: Resource
        var folder: String
    }

    func allocatedBytes(of capture: Capture) async throws(StepFailure) -> Int64 {
        let file = try file(LocalFolders.fileName(capture.device), beside: capture)
        do throws(LibvirtError) {
            return try await driver.host.run { host throws(LibvirtError) in try host.allocatedBytes(of: file) }
        } catch {
            throw failure(error, capture)
        }
    }

    func copy(
        _ capture: Capture,
        to path: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> FileSum {
        let file = try file(LocalFolders.fileName(capture.device), beside: capture)
        let (host, rate) = (driver.host, local.copyRate)
        return try await OwnThread.run { flag in
            let download = LibvirtDownload(file, sizeBytes: capture.fileSizeBytes, from: host)
            do throws(ReceivedCopy.Stop) {
                let pass = ReceivedCopy(flag: flag) { gauge.add($0) }
                return .success(try pass.write(download, to: path, bytesPerSecond: rate))
            } catch {
                return .failure(failure(error, capture, subject))
            }
        }
    }

    func machineFile(_ file: MachineFile, beside capture: Capture) async throws(StepFailure) -> [UInt8]? {
        let source = try self.file(file.rawValue, beside: capture)
        let host = driver.host
        return try await OwnThread.run { flag in
            let download = LibvirtDownload(source, sizeBytes: nil, from: host)
            do throws(ReceivedCopy.Stop) {
                let pass = ReceivedCopy(flag: flag) { _ in }
                return .success(try pass.bytes(of: download, limit: file.largest))
            } catch {
                if case .host(let error) = error, error.kind == .notFound { return .success(nil) }
                return .failure(failure(error, capture, .storage))
            }
        }
    }

    private func file(_ name: String, beside capture: Capture) throws(StepFailure) -> HostFile {
        if let replica {
            return HostFile(folder: replica.folder, name: name, pool: LibvirtDriver.pool(over: replica.resource))
        }
        let folder = try local.folders.folder(of: capture.resource)
        return HostFile(folder: folder, name: name, pool: LibvirtDriver.pool(over: capture.resource))
    }

    // MARK: Failures

    private func failure(_ stop: ReceivedCopy.Stop, _ capture: Capture, _ subject: FailureSubject) -> StepFailure {
        switch stop {
        case .copy(let stop): .copy(stop, at: subject)
        case .host(let error): failure(error, capture)
        }
    }

    private func failure(_ error: LibvirtError, _ capture: Capture) -> StepFailure {
        guard error.kind != .notFound else {
            return .gone(
                capture,
                advice: "Workers of all hosts need the same setting data: host \(host) has it below the same path."
            )
        }
        let what = "send the capture of \(capture.device)"
        driver.logFailure(error, what)
        return .libvirt(error, what, on: host)
    }
}

extension LibvirtDriver {
    /// The pool by which other hosts fetch the files of a capture or a replica.
    static func pool(over resource: Resource) -> String { "goldsmith.\(resource.id)" }

    /// Removes what a process left there that ended while it opened a file. A host that does not answer now has nothing
    /// but the pool's name left, and that until its libvirtd is started again.
    func forgetPool(over resource: Resource) async {
        guard resource.kind != .instance else { return }
        let name = Self.pool(over: resource)
        do throws(LibvirtError) {
            try await host.run { host throws(LibvirtError) in try host.forgetPool(name) }
        } catch {
            logFailure(error, "look for a pool over deleted files")
        }
    }
}
