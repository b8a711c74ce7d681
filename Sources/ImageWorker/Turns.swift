import ImageCore
import Synchronization

/// Lets what has one key come one after the other, in the order in which it joined.
///
/// Requests are answered several at a time. Those for images of one instance must be accepted in the order in which they
/// were asked for, since the instance's disks are captured in the order of acceptance.
final class Turns: Sendable {
    private struct Line {
        /// The number that joins next, and the one whose turn it is.
        var next = 0
        var current = 0
        var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]
        /// Those that no longer keep their place.
        var left: Set<Int> = []
    }

    private let lines = Mutex<[String: Line]>([:])

    /// Whether nobody has joined who has not ended.
    var isEmpty: Bool { lines.withLock { $0.isEmpty } }

    /// The caller must let it come, and then end it.
    func join(_ key: String) -> Turn {
        let number = lines.withLock { lines in
            defer { lines[key, default: Line()].next += 1 }
            return lines[key]?.next ?? 0
        }
        return Turn(turns: self, key: key, number: number)
    }

    fileprivate func hasCome(_ key: String, _ number: Int) -> Bool { lines.withLock { $0[key]?.current == number } }

    /// - Returns: `false` when the place was given up.
    fileprivate func wait(_ key: String, _ number: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            let answer: Bool? = lines.withLock { lines in
                guard let line = lines[key], !line.left.contains(number) else { return false }
                if line.current == number { return true }
                lines[key]?.waiting[number] = continuation
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    /// Gives a place up: the caller goes on without it.
    fileprivate func leave(_ key: String, _ number: Int) {
        let waiter = lines.withLock { lines -> CheckedContinuation<Bool, Never>? in
            guard let line = lines[key], line.current < number else { return nil }
            lines[key]?.left.insert(number)
            return lines[key]?.waiting.removeValue(forKey: number)
        }
        waiter?.resume(returning: false)
    }

    fileprivate func end(_ key: String, _ number: Int) {
        let next = lines.withLock { lines -> CheckedContinuation<Bool, Never>? in
            guard var line = lines[key], line.current == number else { return nil }
            repeat { line.current += 1 } while line.left.remove(line.current) != nil
            let next = line.waiting.removeValue(forKey: line.current)
            lines[key] = line.current == line.next ? nil : line
            return next
        }
        next?.resume(returning: true)
    }
}

/// One's place among those with the same key.
struct Turn: Sendable {
    fileprivate let turns: Turns
    fileprivate let key: String
    fileprivate let number: Int

    /// Returns when all that joined before have ended, or `timeout` has returned.
    /// - Returns: whether it has its turn, which must end; else it goes on without.
    func come(timeout: @escaping @Sendable () async -> Void) async -> Bool {
        guard !turns.hasCome(key, number) else { return true }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await timeout()
                turns.leave(key, number)
            }
            let hasCome = await turns.wait(key, number)
            group.cancelAll()
            return hasCome
        }
    }

    /// Once, after it has come.
    func end() { turns.end(key, number) }
}

extension IncomingMessage {
    /// What requests are answered in the order of, the instance of an `image.create`; `nil` where order means nothing.
    /// - Parameter drivers: an instance is the same with its only driver's name and without.
    func orderKey(among drivers: DriverList) -> String? {
        guard routingKey == Operation.create.rawValue, case .object(let fields)? = JSONValue(parsing: body),
            case .string(let instance)? = fields["instanceId"]
        else { return nil }
        guard let id = InstanceID(instance), let whole = try? drivers.whole(id) else { return instance }
        return whole.text
    }
}
