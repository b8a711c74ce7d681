import OTLPTracing

extension Check {
    /// Whether a receiver takes the spans.
    static let traces: [Check] = [
        Check(name: "traces") { (settings) async throws(CommandFailure) in
            guard let receiver = try await settings.spanReceiver() else {
                return [
                    Diagnosis(
                        "traces",
                        .note,
                        "no spans are exported",
                        advice: "set \(SettingKey.otlpEndpoint.environmentName) to send them to a collector"
                    )
                ]
            }
            let problem: String
            do {
                let answer = try await receiver.send(#"{"resourceSpans":[]}"#)
                guard !(200..<300).contains(answer.status) else {
                    return [Diagnosis("traces", .good, "\(receiver.url) takes spans")]
                }
                problem = "\(receiver.url) answers \(answer.status)"
            } catch {
                problem = "\(receiver.url) does not answer: \(error)"
            }
            return [
                Diagnosis(
                    "traces",
                    .warning,
                    problem,
                    advice: "is \(SettingKey.otlpEndpoint.environmentName) right, and does it ask for "
                        + "\(SettingKey.otlpHeaders.environmentName)?"
                )
            ]
        }
    ]
}
