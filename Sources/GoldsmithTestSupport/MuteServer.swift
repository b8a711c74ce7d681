import Glibc

/// A server which greets every client with the same bytes and then says no more.
public final class MuteServer: Sendable {
    public let port: Int
    private let listener: CInt

    /// - Parameter hangsUp: whether it closes the connection after the greeting.
    public init(greeting: [UInt8] = [], hangsUp: Bool = false) throws {
        (listener, port) = try Sockets.listen()
        try detach { [listener] in
            var held: [CInt] = []
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { break }
                _ = Sockets.sendAll(client, greeting[...])
                if hangsUp { close(client) } else { held.append(client) }
            }
            for client in held { close(client) }
        }
    }

    deinit { shutdown(listener, CInt(SHUT_RDWR)) }
}
