import Glibc

/// The target named by `--target=`; libFuzzer leaves alone what begins with two hyphens.
private let chosen: FuzzTarget = {
    let flag = "--target="
    let name = CommandLine.arguments.last { $0.hasPrefix(flag) }?.dropFirst(flag.count)
    guard let target = FuzzTarget.all.first(where: { $0.name == name ?? "" }) else {
        complain("give --target=, one of: \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
        exit(2)
    }
    return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do throws(BrokenPromise) {
        try chosen.check(Array(UnsafeBufferPointer(start: bytes, count: count)))
    } catch {
        complain("broken promise: \(error)")
        abort()
    }
    return 0
}

private func complain(_ text: String) {
    var text = text + "\n"
    text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
