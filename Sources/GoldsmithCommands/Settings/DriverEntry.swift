import Foundation
import ImageCore

/// The compute systems that a worker can be put in front of.
enum DriverKind: String, CaseIterable, Sendable {
    /// Folders and real disks.
    case local
    /// The domains of libvirt.
    case libvirt
    /// The servers of a project of a cloud.
    case openstack
    /// No bytes, for tests and benchmarks.
    case simulated

    static let list = allCases.map(\.rawValue).joined(separator: ", ")
}

/// One driver of the installation.
struct DriverEntry: Equatable, Sendable {
    /// Absent for the only one, of the setting `driver`.
    var name: DriverName?
    var kind: DriverKind
    /// A folder, a URI or a `clouds.yaml`, by its kind. Absent: what the kind's own settings say.
    var place: String?

    /// For messages.
    var title: String { name.map { "driver \($0)" } ?? "the driver \(kind.rawValue)" }
}

/// The setting `drivers`: `kvm=libvirt:qemu:///system,cloud=openstack:/etc/clouds.yaml,lab=local:/srv/lab`.
enum DriversSetting {
    /// - Returns: at least one, each with a name.
    /// - Throws: what is wrong, in a sentence.
    static func parse(_ text: String) throws(Rejection) -> [DriverEntry] {
        var entries: [DriverEntry] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let entry = try entry(part.trimmingCharacters(in: .whitespaces))
            if let other = entries.first(where: { $0.name == entry.name || $0.isSame(as: entry) }) {
                throw malformed(
                    other.name == entry.name
                        ? "\(entry.title) stands twice" : "\(other.title) and \(entry.title) are the same"
                )
            }
            entries.append(entry)
        }
        return entries
    }

    private static func entry(_ text: String) throws(Rejection) -> DriverEntry {
        let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard pair.count == 2 else {
            throw malformed("'\(PlainText.word(text))' must be a name, = and a driver, such as cloud=openstack")
        }
        guard let name = DriverName(pair[0]) else {
            throw malformed("'\(PlainText.word(pair[0]))' is no name of a driver; \(DriverName.sentence)")
        }
        let words = pair[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let kind = DriverKind(rawValue: words[0]) else {
            throw malformed("\(name) is of no known kind, '\(PlainText.word(words[0]))'; known are \(DriverKind.list)")
        }
        let place = words.count == 2 ? words[1] : nil
        if let place {
            switch kind {
            case .libvirt:
                guard LibvirtURI(place)?.isOfThisMachine == true else {
                    throw malformed(
                        "the URI of \(name) must be one of this machine, such as qemu:///system; hosts have a setting of "
                            + "their own, \(SettingKey.libvirtHosts.rawValue)"
                    )
                }
            case .local, .openstack, .simulated:
                guard place.hasPrefix("/"), place.count > 1, !place.utf8.contains(0) else {
                    throw malformed("the path of \(name) must be absolute")
                }
            }
        }
        return DriverEntry(name: name, kind: kind, place: place)
    }

    private static func malformed(_ problem: String) -> Rejection {
        Rejection(.invalidArgument, problem, field: SettingKey.drivers.rawValue)
    }
}

extension DriverEntry {
    /// Each instance would be on both.
    fileprivate func isSame(as other: DriverEntry) -> Bool {
        kind == other.kind && (place == other.place && (place != nil || kind != .local && kind != .simulated))
    }
}
