import CRabbitMQ
import Testing

@testable import AMQPClient

@Suite("Stacks")
struct StackTests {
    /// A table of one header whose value nests `levels` deep, as it stands on the wire.
    private static func nested(_ levels: Int, of kind: UInt8) -> [UInt8] {
        let head = kind == UInt8(ascii: "A") ? 5 : 7
        func length(_ count: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) } }
        var value: [UInt8] = []
        // From the outside in: each level holds what is left.
        for level in 0..<levels {
            let rest = (levels - 1 - level) * head + 1
            value.append(kind)
            if kind == UInt8(ascii: "A") {
                value += length(rest)
            } else {
                value += length(rest + 2) + [1, UInt8(ascii: "k")]
            }
        }
        value.append(UInt8(ascii: "V"))
        let entry = [1, UInt8(ascii: "h")] + value
        return length(entry.count) + entry
    }

    @Test(
        "a frame full of the deepest tables and arrays there can be is decoded on a thread of ours",
        arguments: [UInt8(ascii: "A"), UInt8(ascii: "F")]
    )
    func deepest(kind: UInt8) async {
        let levels = (131_072 - 64) / (kind == UInt8(ascii: "A") ? 5 : 7)
        let bytes = Self.nested(levels, of: kind)
        #expect(bytes.count <= 131_072)
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<(CInt, AMQPTable), Never>) in
            NamedThread.start("stack-test") {
                var pool = amqp_pool_t()
                init_amqp_pool(&pool, 8192)
                defer { empty_amqp_pool(&pool) }
                var encoded = bytes
                let decoded = encoded.withUnsafeMutableBytes { buffer -> (CInt, AMQPTable) in
                    var table = amqp_table_t()
                    var offset = 0
                    let field = amqp_bytes_t(len: buffer.count, bytes: buffer.baseAddress)
                    let status = amqp_decode_table(field, &pool, &table, &offset)
                    return (status, status == 0 ? AMQPTable(table) : [:])
                }
                continuation.resume(returning: decoded)
            }
        }
        // A library that refuses such depth itself is as good.
        #expect(result.0 != 0 || result.1.wireSize() != nil)
    }
}
