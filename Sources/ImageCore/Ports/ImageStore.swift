/// The one place state lives: all five ports of one store. A state change, its journal lines and its messages are written
/// in one transaction. One conformance suite runs against every store.
///
/// Code that needs one or two of the ports takes only those.
public protocol ImageStore: RequestStore, JobStore, OutboxStore, DeadLetterStore, StoreReader {}
