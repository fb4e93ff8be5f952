public func y() -> Int { Embedded_nfacctdConfiguration.bytes.count }
