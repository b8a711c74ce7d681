import Glibc

/// Keeps a second `goldsmith dev` out of a data folder. The kernel releases it when the process ends in any way.
struct FolderHold {
    private let descriptor: CInt

    init(_ folder: String) throws(CommandFailure) {
        let path = folder + "/dev.lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure(
                .failed,
                "cannot open \(path): \(String(cString: strerror(errno)))",
                advice: "may this user write there? --data names another folder"
            )
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CommandFailure(
                .conflict,
                "another goldsmith dev runs in \(folder)",
                advice: "stop it, or use another --data"
            )
        }
    }

    func release() { close(descriptor) }
}
