import PoolModel
import PoolReport
import SockArrayCore

extension Pool {
    func status() throws(Failure) -> PoolStatus { PoolStatus(try snapshot()) }

    func tableStatus() throws(Failure) -> TableStatus { TableStatus(try rowSnapshot()) }
}
