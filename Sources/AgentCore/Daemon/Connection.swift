import CBPFShim
import Glibc
import SockArrayCore

/// What a server does with the requests that it reads.
protocol RequestService: AnyObject {
    /// Most bytes of a request.
    var requestLimit: Int { get }
    /// Most connections at a time.
    var connectionLimit: Int { get }
    /// From the connection to the last byte of the answer.
    var timeLimitNanoseconds: UInt64 { get }

    /// The answer, or nil while the request isn't whole.
    ///
    /// - Parameter atEnd: no more bytes will come.
    func answer(_ request: Request, atEnd: Bool) -> [UInt8]?
}

/// What came over one connection until now.
struct Request {
    var bytes: [UInt8] = []
    /// Passed descriptors; those that nobody takes are closed with the request.
    var descriptors: [PassedDescriptor] = []
    /// More bytes or descriptors came than a request may have.
    var isTooLarge = false
    var peer = rpa_peer()
}

/// A descriptor that came by SCM_RIGHTS.
final class PassedDescriptor {
    private var descriptor: Descriptor?

    init(_ descriptor: consuming Descriptor) { self.descriptor = consume descriptor }

    /// Gives it away, once.
    func take() -> Descriptor? { descriptor.take() }
}

/// One client: reads a request, writes the answer, and is done.
final class Connection {
    private(set) var deadline: UInt64
    private let stream: Descriptor
    private var request = Request()
    private var output: ArraySlice<UInt8> = []
    private var isAnswered = false
    private(set) var isDone = false

    init(_ stream: consuming Descriptor, deadline: UInt64) {
        rpa_peer(stream.number, &request.peer)
        self.stream = stream
        self.deadline = deadline
    }

    var number: Int32 { stream.number }
    var events: Int16 { Int16(isAnswered ? POLLOUT : POLLIN) }

    /// Goes on as far as it can without waiting.
    func proceed(with service: any RequestService) {
        if !isAnswered { read(for: service) }
        if isAnswered { write() }
    }

    private func read(for service: any RequestService) {
        var part = [UInt8](repeating: 0, count: 16_384)
        var numbers = [Int32](repeating: -1, count: Int(RPA_MAX_PASSED))
        while !isAnswered {
            var count = 0
            var wasTruncated: Int32 = 0
            let length = rpa_receive(stream.number, &part, part.count, &numbers, &count, &wasTruncated)
            if length == -Int(EAGAIN) { return }
            for number in numbers[..<count] {
                request.descriptors.append(PassedDescriptor(Descriptor(owning: number)))
            }
            guard length >= 0 else {
                isDone = true
                return
            }
            request.bytes += part[..<length]
            if wasTruncated != 0 || request.bytes.count > service.requestLimit
                || request.descriptors.count > Int(RPA_MAX_PASSED)
            {
                request.isTooLarge = true
            }
            guard let answer = service.answer(request, atEnd: length == 0 || request.isTooLarge) else {
                guard length > 0 else {
                    isDone = true
                    return
                }
                continue
            }
            output = answer[...]
            isAnswered = true
            // What the answer took is not the client's fault.
            deadline = rpa_monotonic_ns() + service.timeLimitNanoseconds
            request = Request()  // closes what was passed
        }
    }

    private func write() {
        while !output.isEmpty {
            let sent = output.withUnsafeBytes { rpa_send(stream.number, $0.baseAddress, $0.count, nil, 0) }
            if sent == -Int(EAGAIN) { return }
            guard sent > 0 else { break }
            output = output.dropFirst(sent)
        }
        isDone = true
    }
}
