/// Which publication waits for which confirm: pure bookkeeping for one channel in confirm mode.
///
/// The broker numbers publishes from 1 in the order they were sent and confirms them in any order, one by one or all
/// up to a number. An unroutable mandatory message is returned first and confirmed like any other afterwards.
struct ConfirmLedger<Entry> {
    enum Outcome: Equatable {
        case accepted
        case rejected
        case unroutable(code: Int, text: String)
    }

    private struct Slot {
        let publication: AMQPPublication
        let entry: Entry
        var returned: Outcome?
    }

    /// Slots by delivery tag from `firstTag` on; nil once confirmed out of order.
    private var slots: [Slot?] = []
    private var head = 0
    private var firstTag: UInt64 = 1
    private var endTag: UInt64 { firstTag + UInt64(slots.count - head) }
    /// All before this one have expired.
    private var patientTag: UInt64 = 1

    /// Sent and not yet confirmed.
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func sent(_ publication: AMQPPublication, _ entry: Entry) {
        slots.append(Slot(publication: publication, entry: entry))
        count += 1
    }

    /// The entries settled by a confirm. A tag never sent, or confirmed before, settles nothing.
    mutating func confirm(_ deliveryTag: UInt64, isMultiple: Bool, isAccepted: Bool) -> [(Entry, Outcome)] {
        // 0 with multiple means all so far.
        let tag = deliveryTag == 0 && isMultiple ? endTag - 1 : deliveryTag
        guard tag >= firstTag, tag < endTag else { return [] }
        let index = head + Int(tag - firstTag)
        var settled: [(Entry, Outcome)] = []
        for position in isMultiple ? head...index : index...index {
            guard let slot = slots[position] else { continue }
            slots[position] = nil
            count -= 1
            settled.append((slot.entry, isAccepted ? slot.returned ?? .accepted : .rejected))
        }
        while head < slots.count, slots[head] == nil {
            head += 1
            firstTag += 1
        }
        if head == slots.count || head >= 1024 {
            slots.removeFirst(head)
            head = 0
        }
        return settled
    }

    /// Notes that a message came back. The return names no delivery tag, so the message itself is looked for, oldest
    /// first as returns come in the order of publishing. Two which are equal in everything may be mistaken for each
    /// other, which makes no difference to anyone.
    mutating func returned(_ message: ReceivedMessage, code: Int, text: String) {
        func isCandidate(_ slot: Slot?) -> Bool {
            guard let slot, slot.returned == nil, slot.publication.isMandatory else { return false }
            return slot.publication.exchange == message.exchange && slot.publication.routingKey == message.routingKey
        }
        let live = slots[head...]
        // A value may come back changed in form (NaN, say), hence the second look.
        let index =
            live.firstIndex { isCandidate($0) && $0?.publication.message == message.message }
            ?? live.firstIndex { isCandidate($0) && $0?.publication.message.messageID == message.message.messageID }
        if let index { slots[index]?.returned = .unroutable(code: code, text: text) }
    }

    /// Calls `isExpired` for the oldest unconfirmed entries until it says no; returns that entry. The entries stay.
    mutating func expire(_ isExpired: (Entry) -> Bool) -> Entry? {
        patientTag = max(patientTag, firstTag)
        while patientTag < endTag {
            if let slot = slots[head + Int(patientTag - firstTag)], !isExpired(slot.entry) { return slot.entry }
            patientTag += 1
        }
        return nil
    }

    /// Everything unconfirmed, in the order it was sent; numbering starts again, for a new channel.
    mutating func reset() -> [Entry] {
        defer { self = ConfirmLedger() }
        return slots[head...].compactMap { $0?.entry }
    }
}
