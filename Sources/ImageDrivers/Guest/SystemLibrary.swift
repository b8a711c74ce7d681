import Glibc
import ImageCore

/// A library of the host's, loaded when it is asked for: where it is not installed, Goldsmith works without it.
struct SystemLibrary {
    private let name: String
    private let library: UnsafeMutableRawPointer

    init(_ name: String) throws(GuestTrouble) {
        guard let library = dlopen(name, RTLD_NOW) else { throw Self.trouble(name) }
        self.name = name
        self.library = library
    }

    /// - Throws: when the library is something else.
    func find<Function>(_ function: String) throws(GuestTrouble) -> Function {
        guard let symbol = dlsym(library, function) else { throw Self.trouble(name) }
        return unsafeBitCast(symbol, to: Function.self)
    }

    private static func trouble(_ name: String) -> GuestTrouble {
        GuestTrouble(text: dlerror().map { PlainText.sentence(String(cString: $0)) } ?? "\(name) cannot be loaded")
    }
}
