import CRabbitMQ

// Values and properties, to and from librabbitmq's structs. What goes to C lives in a ScratchPool until the call
// which uses it has returned; what comes from C is copied at once.

/// Memory for the arguments of one C call at a time, from librabbitmq's own pool allocator.
final class ScratchPool {
    private var pool = amqp_pool_t()

    init() { init_amqp_pool(&pool, 8192) }
    deinit { empty_amqp_pool(&pool) }

    /// Makes everything handed out so far invalid.
    func recycle() { recycle_amqp_pool(&pool) }

    func bytes(_ string: String) -> amqp_bytes_t {
        var string = string
        return string.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
    }

    private func copy(_ source: UnsafeRawBufferPointer) -> amqp_bytes_t {
        guard source.count > 0 else { return amqp_empty_bytes }
        let target = allocate(UInt8.self, source.count)
        UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
        return amqp_bytes_t(len: source.count, bytes: target.baseAddress)
    }

    private func allocate<T>(_ type: T.Type, _ count: Int) -> UnsafeMutableBufferPointer<T> {
        guard let memory = amqp_pool_alloc(&pool, count * MemoryLayout<T>.stride) else {
            preconditionFailure("out of memory")
        }
        return UnsafeMutableBufferPointer(start: memory.bindMemory(to: T.self, capacity: count), count: count)
    }

    func table(_ table: AMQPTable) -> amqp_table_t {
        guard !table.isEmpty else { return amqp_empty_table }
        let entries = allocate(amqp_table_entry_t.self, table.count)
        for (index, (key, value)) in table.enumerated() {
            entries.initializeElement(at: index, to: amqp_table_entry_t(key: bytes(key), value: field(value)))
        }
        return amqp_table_t(num_entries: CInt(table.count), entries: entries.baseAddress)
    }

    private func field(_ value: AMQPValue) -> amqp_field_value_t {
        var field = amqp_field_value_t()
        func set(_ kind: amqp_field_value_kind_t) { field.kind = UInt8(kind.rawValue) }
        switch value {
        case .bool(let flag):
            set(AMQP_FIELD_KIND_BOOLEAN)
            field.value.boolean = flag ? 1 : 0
        case .int(let number):
            set(AMQP_FIELD_KIND_I64)
            field.value.i64 = number
        case .double(let number):
            set(AMQP_FIELD_KIND_F64)
            field.value.f64 = number
        case .string(let text):
            set(AMQP_FIELD_KIND_UTF8)
            field.value.bytes = bytes(text)
        case .bytes(let data):
            set(AMQP_FIELD_KIND_BYTES)
            field.value.bytes = data.withUnsafeBytes { copy($0) }
        case .timestamp(let seconds):
            set(AMQP_FIELD_KIND_TIMESTAMP)
            field.value.u64 = UInt64(bitPattern: seconds)
        case .array(let values):
            set(AMQP_FIELD_KIND_ARRAY)
            field.value.array = array(values)
        case .table(let inner):
            set(AMQP_FIELD_KIND_TABLE)
            field.value.table = table(inner)
        case .void:
            set(AMQP_FIELD_KIND_VOID)
        }
        return field
    }

    private func array(_ values: [AMQPValue]) -> amqp_array_t {
        guard !values.isEmpty else { return amqp_empty_array }
        let entries = allocate(amqp_field_value_t.self, values.count)
        for (index, value) in values.enumerated() { entries.initializeElement(at: index, to: field(value)) }
        return amqp_array_t(num_entries: CInt(values.count), entries: entries.baseAddress)
    }

    func properties(_ message: AMQPMessage) -> amqp_basic_properties_t {
        var properties = amqp_basic_properties_t()
        func set(_ value: String?, _ flag: Int32, _ path: WritableKeyPath<amqp_basic_properties_t, amqp_bytes_t>) {
            guard let value else { return }
            properties[keyPath: path] = bytes(value)
            properties._flags |= amqp_flags_t(flag)
        }
        set(message.contentType, AMQP_BASIC_CONTENT_TYPE_FLAG, \.content_type)
        set(message.messageID, AMQP_BASIC_MESSAGE_ID_FLAG, \.message_id)
        set(message.correlationID, AMQP_BASIC_CORRELATION_ID_FLAG, \.correlation_id)
        set(message.replyTo, AMQP_BASIC_REPLY_TO_FLAG, \.reply_to)
        set(message.type, AMQP_BASIC_TYPE_FLAG, \.type)
        set(message.appID, AMQP_BASIC_APP_ID_FLAG, \.app_id)
        set(message.userID, AMQP_BASIC_USER_ID_FLAG, \.user_id)
        set(message.expiration, AMQP_BASIC_EXPIRATION_FLAG, \.expiration)
        properties._flags |= amqp_flags_t(AMQP_BASIC_DELIVERY_MODE_FLAG)
        properties.delivery_mode = message.isPersistent ? 2 : 1
        if let timestamp = message.timestamp {
            properties._flags |= amqp_flags_t(AMQP_BASIC_TIMESTAMP_FLAG)
            properties.timestamp = UInt64(bitPattern: timestamp)
        }
        if let priority = message.priority {
            properties._flags |= amqp_flags_t(AMQP_BASIC_PRIORITY_FLAG)
            properties.priority = priority
        }
        if !message.headers.isEmpty {
            properties._flags |= amqp_flags_t(AMQP_BASIC_HEADERS_FLAG)
            properties.headers = table(message.headers)
        }
        return properties
    }
}

extension UnsafeRawBufferPointer {
    init(_ bytes: amqp_bytes_t) { self.init(start: bytes.bytes, count: bytes.bytes == nil ? 0 : bytes.len) }
}

extension String {
    /// Copies; what is not UTF-8 becomes replacement characters.
    init(_ bytes: amqp_bytes_t) { self.init(decoding: UnsafeRawBufferPointer(bytes), as: UTF8.self) }

    /// A short string, fit to be sent again: a replacement character takes more bytes than what it stands for, and the
    /// whole may take no more than 255.
    init(short bytes: amqp_bytes_t) {
        self.init(bytes)
        while utf8.count > 255 { unicodeScalars.removeLast() }
    }
}

extension AMQPValue {
    /// Copies a field the broker sent.
    init(_ field: amqp_field_value_t, depth: Int = 0) {
        let value = field.value
        switch amqp_field_value_kind_t(UInt32(field.kind)) {
        case AMQP_FIELD_KIND_BOOLEAN: self = .bool(value.boolean != 0)
        case AMQP_FIELD_KIND_I8: self = .int(Int64(value.i8))
        case AMQP_FIELD_KIND_U8: self = .int(Int64(value.u8))
        case AMQP_FIELD_KIND_I16: self = .int(Int64(value.i16))
        case AMQP_FIELD_KIND_U16: self = .int(Int64(value.u16))
        case AMQP_FIELD_KIND_I32: self = .int(Int64(value.i32))
        case AMQP_FIELD_KIND_U32: self = .int(Int64(value.u32))
        case AMQP_FIELD_KIND_I64: self = .int(value.i64)
        case AMQP_FIELD_KIND_U64: self = .int(Int64(clamping: value.u64))
        case AMQP_FIELD_KIND_F32: self = .double(Double(value.f32))
        case AMQP_FIELD_KIND_F64: self = .double(value.f64)
        case AMQP_FIELD_KIND_DECIMAL:
            var number = Double(value.decimal.value)
            for _ in 0..<value.decimal.decimals { number /= 10 }
            self = .double(number)
        case AMQP_FIELD_KIND_UTF8:
            let bytes = UnsafeRawBufferPointer(value.bytes)
            self = String(validating: bytes, as: UTF8.self).map { .string($0) } ?? .bytes(Array(bytes))
        case AMQP_FIELD_KIND_BYTES: self = .bytes(Array(UnsafeRawBufferPointer(value.bytes)))
        case AMQP_FIELD_KIND_TIMESTAMP: self = .timestamp(Int64(bitPattern: value.u64))
        case AMQP_FIELD_KIND_ARRAY where depth < Self.maximumDepth:
            let entries = UnsafeBufferPointer(start: value.array.entries, count: Int(max(0, value.array.num_entries)))
            self = .array(entries.map { AMQPValue($0, depth: depth + 1) })
        case AMQP_FIELD_KIND_TABLE where depth < Self.maximumDepth:
            self = .table(AMQPTable(value.table, depth: depth + 1))
        default: self = .void
        }
    }
}

extension AMQPTable {
    /// Copies a table the broker sent. Of a key which comes twice the last counts.
    init(_ table: amqp_table_t, depth: Int = 0) {
        self.init()
        for entry in UnsafeBufferPointer(start: table.entries, count: Int(Swift.max(0, table.num_entries))) {
            self[String(entry.key)] = AMQPValue(entry.value, depth: depth)
        }
    }
}

extension AMQPMessage {
    /// Copies the properties the broker sent; the body is empty.
    init(properties: amqp_basic_properties_t) {
        func has(_ flag: Int32) -> Bool { properties._flags & amqp_flags_t(flag) != 0 }
        func text(_ flag: Int32, _ bytes: amqp_bytes_t) -> String? { has(flag) ? String(short: bytes) : nil }
        self.init(
            body: [],
            contentType: text(AMQP_BASIC_CONTENT_TYPE_FLAG, properties.content_type),
            messageID: text(AMQP_BASIC_MESSAGE_ID_FLAG, properties.message_id),
            correlationID: text(AMQP_BASIC_CORRELATION_ID_FLAG, properties.correlation_id),
            replyTo: text(AMQP_BASIC_REPLY_TO_FLAG, properties.reply_to),
            type: text(AMQP_BASIC_TYPE_FLAG, properties.type),
            appID: text(AMQP_BASIC_APP_ID_FLAG, properties.app_id),
            userID: text(AMQP_BASIC_USER_ID_FLAG, properties.user_id),
            timestamp: has(AMQP_BASIC_TIMESTAMP_FLAG) ? Int64(bitPattern: properties.timestamp) : nil,
            headers: has(AMQP_BASIC_HEADERS_FLAG) ? AMQPTable(properties.headers) : [:],
            isPersistent: has(AMQP_BASIC_DELIVERY_MODE_FLAG) && properties.delivery_mode == 2,
            priority: has(AMQP_BASIC_PRIORITY_FLAG) ? properties.priority : nil,
            expiration: text(AMQP_BASIC_EXPIRATION_FLAG, properties.expiration)
        )
    }
}
