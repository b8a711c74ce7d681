import ImageCore
import Testing

@Suite("Job messages are bounded")
struct JobLimitTests {
    @Test("A job message larger than 64 KiB is not looked at")
    func size() {
        let message = CanonicalJSON.bytes(JobMessage(imageId: Sample.imageID, job: .stopCheck, attempt: 1))
        let padding = [UInt8](repeating: 32, count: JobMessage.maximumBytes - message.count)
        #expect(JobMessage.maximumBytes == 64 << 10)
        #expect(JobMessage(parsing: message + padding) != nil)
        #expect(JobMessage(parsing: message + padding + [32]) == nil)
    }
}
