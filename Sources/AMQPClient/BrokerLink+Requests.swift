import CRabbitMQ

/// What can be asked of the broker. Each call blocks the thread until it is answered.
extension BrokerLink {
    /// Refuses tables which do not fit a frame with room for the rest of their method.
    private func arguments(_ table: AMQPTable) throws(AMQPError) -> amqp_table_t {
        guard let size = table.wireSize(), size < frameMax - 1024 else {
            throw AMQPError(
                .tableTooBig,
                "the arguments are too big, nest too deep or have a key longer than 255 bytes"
            )
        }
        return scratch.table(table)
    }

    private func name(_ text: String) throws(AMQPError) -> amqp_bytes_t {
        guard text.utf8.count <= 255 else { throw AMQPError(.tableTooBig, "a name is longer than 255 bytes") }
        return scratch.bytes(text)
    }

    func declareExchange(
        _ exchange: String,
        type: String,
        isPassive: Bool,
        arguments table: AMQPTable
    ) throws(AMQPError) {
        var fields = amqp_exchange_declare_t()
        fields.exchange = try name(exchange)
        fields.type = try name(type)
        fields.passive = isPassive ? 1 : 0
        fields.durable = 1
        fields.arguments = try arguments(table)
        try request(AMQP_EXCHANGE_DECLARE_METHOD, fields, reply: AMQP_EXCHANGE_DECLARE_OK_METHOD)
    }

    func deleteExchange(_ exchange: String) throws(AMQPError) {
        var fields = amqp_exchange_delete_t()
        fields.exchange = try name(exchange)
        try request(AMQP_EXCHANGE_DELETE_METHOD, fields, reply: AMQP_EXCHANGE_DELETE_OK_METHOD)
    }

    func declareQueue(_ queue: String, isPassive: Bool, arguments table: AMQPTable) throws(AMQPError) -> AMQPQueueInfo {
        var fields = amqp_queue_declare_t()
        fields.queue = try name(queue)
        fields.passive = isPassive ? 1 : 0
        fields.durable = 1
        fields.arguments = try arguments(table)
        let event = try request(AMQP_QUEUE_DECLARE_METHOD, fields, reply: AMQP_QUEUE_DECLARE_OK_METHOD)
        guard case .reply(_, .queue(let info)) = event else {
            throw AMQPError(.connectionLost, "the broker answered something else")
        }
        return info
    }

    func deleteQueue(_ queue: String) throws(AMQPError) -> Int {
        var fields = amqp_queue_delete_t()
        fields.queue = try name(queue)
        return count(try request(AMQP_QUEUE_DELETE_METHOD, fields, reply: AMQP_QUEUE_DELETE_OK_METHOD))
    }

    func purgeQueue(_ queue: String) throws(AMQPError) -> Int {
        var fields = amqp_queue_purge_t()
        fields.queue = try name(queue)
        return count(try request(AMQP_QUEUE_PURGE_METHOD, fields, reply: AMQP_QUEUE_PURGE_OK_METHOD))
    }

    private func count(_ event: BrokerEvent) -> Int {
        if case .reply(_, .count(let count)) = event { count } else { 0 }
    }

    func bindQueue(
        _ queue: String,
        to exchange: String,
        routingKey: String,
        arguments table: AMQPTable
    ) throws(AMQPError) {
        var fields = amqp_queue_bind_t()
        fields.queue = try name(queue)
        fields.exchange = try name(exchange)
        fields.routing_key = try name(routingKey)
        fields.arguments = try arguments(table)
        try request(AMQP_QUEUE_BIND_METHOD, fields, reply: AMQP_QUEUE_BIND_OK_METHOD)
    }

    func unbindQueue(
        _ queue: String,
        from exchange: String,
        routingKey: String,
        arguments table: AMQPTable
    ) throws(AMQPError) {
        var fields = amqp_queue_unbind_t()
        fields.queue = try name(queue)
        fields.exchange = try name(exchange)
        fields.routing_key = try name(routingKey)
        fields.arguments = try arguments(table)
        try request(AMQP_QUEUE_UNBIND_METHOD, fields, reply: AMQP_QUEUE_UNBIND_OK_METHOD)
    }

    func get(from queue: String) throws(AMQPError) -> BrokerEvent {
        var fields = amqp_basic_get_t()
        fields.queue = try name(queue)
        return try request(
            AMQP_BASIC_GET_METHOD,
            fields,
            reply: AMQP_BASIC_GET_OK_METHOD,
            AMQP_BASIC_GET_EMPTY_METHOD
        )
    }

    /// basic.qos with global=false counts for the consumers started after it on the channel.
    func consume(
        from queue: String,
        consumerTag: String,
        prefetch: UInt16,
        arguments table: AMQPTable = [:]
    ) throws(AMQPError) {
        var qos = amqp_basic_qos_t()
        qos.prefetch_count = prefetch
        try request(AMQP_BASIC_QOS_METHOD, qos, reply: AMQP_BASIC_QOS_OK_METHOD)
        var fields = amqp_basic_consume_t()
        fields.queue = try name(queue)
        fields.consumer_tag = try name(consumerTag)
        fields.arguments = try arguments(table)
        try request(AMQP_BASIC_CONSUME_METHOD, fields, reply: AMQP_BASIC_CONSUME_OK_METHOD)
    }

    func cancel(consumerTag: String) throws(AMQPError) {
        var fields = amqp_basic_cancel_t()
        fields.consumer_tag = try name(consumerTag)
        try request(AMQP_BASIC_CANCEL_METHOD, fields, reply: AMQP_BASIC_CANCEL_OK_METHOD)
    }

    func selectConfirms() throws(AMQPError) {
        try request(AMQP_CONFIRM_SELECT_METHOD, amqp_confirm_select_t(), reply: AMQP_CONFIRM_SELECT_OK_METHOD)
    }

    func beginTransaction() throws(AMQPError) {
        try request(AMQP_TX_SELECT_METHOD, amqp_tx_select_t(), reply: AMQP_TX_SELECT_OK_METHOD)
    }

    func rollBackTransaction() throws(AMQPError) {
        try request(AMQP_TX_ROLLBACK_METHOD, amqp_tx_rollback_t(), reply: AMQP_TX_ROLLBACK_OK_METHOD)
    }

    /// Writes validated publications. Success means the kernel has the bytes, no more.
    func publish(_ publications: [AMQPPublication], until deadline: ContinuousClock.Instant) throws(AMQPError) {
        try burst(publications, until: deadline) { publication in
            var properties = scratch.properties(publication.message)
            return publication.message.body.withUnsafeBytes { body in
                amqp_basic_publish(
                    state,
                    Self.channel,
                    scratch.bytes(publication.exchange),
                    scratch.bytes(publication.routingKey),
                    publication.isMandatory ? 1 : 0,
                    0,
                    &properties,
                    amqp_bytes_t(len: body.count, bytes: UnsafeMutableRawPointer(mutating: body.baseAddress))
                )
            }
        }
    }

    func settle(_ settlements: [Settlement], until deadline: ContinuousClock.Instant) throws(AMQPError) {
        try burst(settlements, until: deadline) { settlement in
            switch settlement.verdict {
            case .ack: amqp_basic_ack(state, Self.channel, settlement.deliveryTag, 0)
            case .nack(let requeue): amqp_basic_nack(state, Self.channel, settlement.deliveryTag, 0, requeue ? 1 : 0)
            case .reject(let requeue): amqp_basic_reject(state, Self.channel, settlement.deliveryTag, requeue ? 1 : 0)
            }
        }
    }
}
