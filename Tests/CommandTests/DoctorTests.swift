import ImageCore
import Testing

@testable import GoldsmithCommands

@Suite("The doctor's rules")
struct DoctorTests {
    @Test(
        "a broker is judged by its version",
        arguments: [
            ("3.9.29", Diagnosis.Grade.bad), ("3.10.0", .good), ("3.13.7", .good), ("4.2.1", .good),
            ("5.0.0", .warning), ("nonsense", .note), ("", .note),
        ]
    )
    func version(text: String, grade: Diagnosis.Grade) {
        #expect(Check.version(text).grade == grade)
        #expect((Check.version(text).advice != nil) == (grade == .bad))
    }

    @Test("the doctor reports a clock that differs by more than a second, with its direction")
    func clocks() {
        #expect(Check.clock("w1", ahead: .milliseconds(900)).grade == .good)
        let (late, early) = (Check.clock("w1", ahead: .seconds(-90)), Check.clock("w1", ahead: .seconds(90)))
        #expect(late.grade == .warning && late.message.hasPrefix("1m behind"), "\(late)")
        #expect(early.grade == .warning && early.message.hasPrefix("1m ahead of"), "\(early)")
    }

    @Test("a worker's failing tool is bad, and one that only leaves guests unchecked is a warning")
    func tools() {
        var report = WorkerReport(
            worker: WorkerID(known: "w1"),
            identity: WorkerIdentity(),
            lanes: ["intake", "system-disk"],
            concurrency: 4,
            startedAt: Timestamp(microseconds: 0),
            at: Timestamp(microseconds: 0)
        )
        #expect(Check.tools(of: report).map(\.grade) == [.note], "an older worker says nothing of it")
        report.faults = []
        #expect(Check.tools(of: report).map(\.grade) == [.good])
        report.faults = [ToolFault(.diskProgram, "it is gone", advice: "install it"), ToolFault(.guestLook, "no KVM")]
        report.pausedLanes = ["system-disk"]
        let findings = Check.tools(of: report)
        #expect(findings.map(\.grade) == [.bad, .warning] && findings.map(\.advice) == ["install it", nil])
        #expect(findings.allSatisfy { $0.what == "worker w1" && $0.message.contains("nothing from system-disk") })
    }

    @Test("a finding says how bad it is in a word, then what it is about, then what to do")
    func text() {
        let text = Diagnosis("data", .warning, "little room", advice: "make room").text
        #expect(text.contains("warning") && text.hasSuffix("data: little room\n          → make room"))
    }
}
