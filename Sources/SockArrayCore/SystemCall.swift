import PoolModel

/// Converts the shim's -errno into a Swift error. All calls use it.
@discardableResult
package func kernel<Result: SignedInteger>(
    _ operation: @autoclosure () -> String, _ result: Result
) throws(KernelError) -> Result {
    guard result < 0 else { return result }
    throw KernelError(operation: operation(), errno: Int32(-result))
}
