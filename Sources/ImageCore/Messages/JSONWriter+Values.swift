extension JSONWritable where Self: RawRepresentable, RawValue == String {
    func write(to json: inout JSONWriter) { json.string(rawValue) }
}

extension JSONWritable where Self: CustomStringConvertible {
    func write(to json: inout JSONWriter) { json.string(description) }
}

extension Array: JSONWritable where Element: JSONWritable {
    func write(to json: inout JSONWriter) { json.array(self) { $1.write(to: &$0) } }
}

extension String: JSONWritable {
    func write(to json: inout JSONWriter) { json.string(self) }
}

extension Int: JSONWritable {
    func write(to json: inout JSONWriter) { json.number(Int64(self)) }
}

extension Int64: JSONWritable {
    func write(to json: inout JSONWriter) { json.number(self) }
}

extension Bool: JSONWritable {
    func write(to json: inout JSONWriter) { json.flag(self) }
}

extension Timestamp: JSONWritable {
    func write(to json: inout JSONWriter) { json.number(microseconds) }
}

// By their descriptions, which is how `Codable` writes them too.
extension ImageID: JSONWritable {}
extension InstanceID: JSONWritable {}
extension DriverName: JSONWritable {}
extension Owner: JSONWritable {}
extension HostName: JSONWritable {}
extension LocationName: JSONWritable {}
extension RequestID: JSONWritable {}
extension ResourceID: JSONWritable {}
extension DeviceName: JSONWritable {}
extension Job: JSONWritable {}

// By their raw values.
extension Announcement.Kind: JSONWritable {}
extension Answer.Status: JSONWritable {}
extension DiskKind: JSONWritable {}
extension ErrorCode: JSONWritable {}
extension Finding.Code: JSONWritable {}
extension Finding.Severity: JSONWritable {}
extension GuestChecks: JSONWritable {}
extension ImageStatus: JSONWritable {}
extension JobState.Phase: JSONWritable {}
extension Resource.Kind: JSONWritable {}
extension Capture.Format: JSONWritable {}
extension RetryDelay: JSONWritable {}
extension Step: JSONWritable {}
extension StepFailure.Disposition: JSONWritable {}
