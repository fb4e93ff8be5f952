import Glibc
import PoolModel

extension Value {
    /// A uid, or the name of a user of this machine (getpwnam_r(3)).
    func user() throws(Failure) -> UInt32 {
        let text = try string()
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            // (uid_t)-1 belongs to no user: with it, chown(2) doesn't change the owner.
            guard let number = UInt32(text), number != .max else {
                throw problem(
                    "\(key) \(text.prefix(80)) is not a uid", "use one from 0 to \(UInt32.max - 1), or a name")
            }
            return number
        }
        switch UserLookup.number(of: text) {
        case .success(let number?): return number
        case .success(nil):
            throw problem(
                "there is no user \(text.prefix(80))", "create the user, or give the uid of \(key) as a number")
        case .failure(let error):
            throw problem(
                "\(key) \(text.prefix(80)) could not be looked up (\(ErrnoName.of(error.errno)))",
                "give the uid as a number, or check the machine's user database")
        }
    }
}

/// Looks up the machine's users.
enum UserLookup {
    /// The uid of a user, or nil if no user has that name.
    static func number(of name: String) -> Result<UInt32?, KernelError> {
        guard !name.isEmpty, !name.utf8.contains(0) else { return .success(nil) }
        // An entry includes a home folder and a shell: a few hundred bytes.
        var room = [CChar](repeating: 0, count: 1_024)
        while true {
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            let result = getpwnam_r(name, &entry, &room, room.count, &found)
            if result == ERANGE, room.count < 1 << 20 {
                room = [CChar](repeating: 0, count: room.count * 4)
            } else if let found {
                return .success(found.pointee.pw_uid)
            } else if [0, ENOENT, ESRCH, EBADF, EPERM].contains(result) {
                // By the manual page, these values mean "not found", on one system or another.
                return .success(nil)
            } else {
                return .failure(KernelError(operation: "getpwnam_r \(name)", errno: result))
            }
        }
    }
}
