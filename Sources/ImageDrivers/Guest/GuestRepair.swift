import ImageCore

/// What is done to a copy under `fix`.
enum GuestRepair {
    /// Carries edits out, each on its own file system.
    static func carryOut(
        _ edits: [GuestFacts.Edit],
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) {
        for edit in edits {
            try appliance.mount(edit.root, readOnly: false)
            if let bytes = edit.bytes {
                try write(bytes, to: try appliance.resolved(edit.path), appliance)
            } else {
                try remove(edit.path, appliance)
            }
            try appliance.unmountAll()
        }
    }

    private static func write(
        _ bytes: [UInt8],
        to path: String,
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) {
        let protection = try lift(path, appliance)
        // Into the file that is there, so that it keeps its owner, its rights and its labels.
        try appliance.write(bytes, to: path)
        // Some of the ways in which a write fails show only here.
        guard try appliance.read(path, limit: bytes.count + 1) == bytes else {
            throw GuestTrouble(text: "\(path) does not hold what was written")
        }
        if !protection.isEmpty { try appliance.setAttributes(protection, of: path, to: true) }
    }

    private static func remove(_ path: String, _ appliance: borrowing GuestAppliance) throws(GuestTrouble) {
        let folder = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let place = try appliance.resolved(folder.isEmpty ? "/" : folder)
        let protection = try lift(place, appliance)
        _ = try lift(try appliance.resolved(path), appliance)
        try appliance.remove(path)
        if !protection.isEmpty { try appliance.setAttributes(protection, of: place, to: true) }
    }

    /// Changes something that may be protected as `lift` says. The protection of the folder comes back, and that of a file
    /// that is still there.
    static func unprotected(
        _ path: String,
        _ appliance: borrowing GuestAppliance,
        _ change: (borrowing GuestAppliance) throws(GuestTrouble) -> Void
    ) throws(GuestTrouble) {
        // Programs that the appliance starts do not say why they failed.
        if (try? change(appliance)) != nil { return }
        let folder = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let ofFolder = try lift(folder.isEmpty ? "/" : folder, appliance)
        let ofFile = try lift(path, appliance)
        try change(appliance)
        if !ofFile.isEmpty, appliance.ownKind(path) != .nothing {
            try appliance.setAttributes(ofFile, of: path, to: true)
        }
        if !ofFolder.isEmpty { try appliance.setAttributes(ofFolder, of: folder.isEmpty ? "/" : folder, to: true) }
    }

    /// `chattr +i` and `+a` keep even root from writing a file, and from removing something from a folder. They are a
    /// guest's protection from its own users, so they are set again afterwards.
    /// - Returns: the letters that were taken off.
    private static func lift(_ path: String, _ appliance: borrowing GuestAppliance) throws(GuestTrouble) -> String {
        let letters = appliance.attributes(path).filter { "ia".contains($0) }
        if !letters.isEmpty { try appliance.setAttributes(letters, of: path, to: false) }
        return letters
    }
}
