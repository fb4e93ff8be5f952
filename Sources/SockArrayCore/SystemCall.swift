import Glibc
import PoolModel

/// Converts the shim's -errno into a Swift error. All calls use it.
@discardableResult
package func kernel<Result: SignedInteger>(
    _ operation: @autoclosure () -> String, _ result: Result
) throws(KernelError) -> Result {
    guard result < 0 else { return result }
    throw KernelError(operation: operation(), errno: Int32(-result))
}

/// Converts the result of Glibc's function, which has just returned, into the shim's -errno.
package func systemCall(_ result: Int32) -> Int32 { result < 0 ? -errno : result }

extension PoolError {
    /// As `kernel`, for calls whose errors have no meaning of their own here.
    @discardableResult
    static func check(_ operation: @autoclosure () -> String, _ result: Int32) throws(PoolError) -> Int32 {
        try wrap { () throws(KernelError) in try kernel(operation(), result) }
    }
}
