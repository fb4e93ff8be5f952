import Glibc
import TelemetryLab

/// The kernel's NAT: a hash of the source address picks the port (nft(8), conntrack).
enum NftRedirect {
    static func rules(_ setting: StageSetting) -> String {
        let ports = (0..<setting.collectors).map { "\($0) : \(setting.ownPort($0))" }.joined(separator: ", ")
        let transport = setting.transport == .datagrams ? "udp" : "tcp"
        // Packets over loopback are translated in the output hook.
        return """
            table ip bench {
              chain exporters {
                type nat hook output priority -100;
                \(transport) dport \(setting.port) redirect to :jhash ip saddr mod \(setting.collectors) map { \(ports) }
              }
            }

            """
    }
}

/// nginx's stream module, which keeps the exporter's address (IP_TRANSPARENT). It has a
/// socket for each exporter's stream, for a minute; or, where no answer is expected, as its
/// documentation has it for such protocols (proxy_responses), for each datagram.
enum NginxStream {
    static let program = "/usr/sbin/nginx"

    static func command(_ setting: StageSetting, in sandbox: Sandbox) throws -> [String] {
        let servers = (0..<setting.collectors).map { "server 127.0.0.1:\(setting.ownPort($0));" }.joined(separator: " ")
        let listen = setting.transport == .datagrams ? "udp reuseport" : "reuseport backlog=1024"
        let path = try Balancer.file(
            """
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            daemon off;
            user root;
            worker_processes auto;
            worker_rlimit_nofile 65536;
            pid \(sandbox.newPath("nginx.pid"));
            error_log \(sandbox.newPath("nginx.log"));
            events { worker_connections 16384; }
            stream {
              upstream collectors { hash $remote_addr; \(servers) }
              server {
                listen 127.0.0.1:\(setting.port) \(listen);
                proxy_pass collectors;
                proxy_bind $remote_addr transparent;
                proxy_timeout 60s;
                \(setting.subject == .nginxOneWay ? "proxy_responses 0;" : "")
              }
            }

            """, in: sandbox)
        return [program, "-c", path]
    }
}

/// pmacct's own way: one nfacctd copies each datagram to a collector in turn.
enum NfacctdTee {
    static func command(_ setting: StageSetting, in sandbox: Sandbox) throws -> [String] {
        let targets = (0..<setting.collectors).map { "127.0.0.1:\(setting.ownPort($0))" }.joined(separator: ",")
        let receivers = try Balancer.file("id=1 ip=\(targets) balance-alg=rr\n", in: sandbox)
        let path = try Balancer.file(
            """
            daemonize: false
            nfacctd_ip: 127.0.0.1
            nfacctd_port: \(setting.port)
            nfacctd_pipe_size: 16777216
            plugins: tee[copy]
            tee_receivers[copy]: \(receivers)
            tee_transparent[copy]: true
            plugin_pipe_size[copy]: 67108864
            plugin_buffer_size[copy]: 65536

            """, in: sandbox)
        return [NfacctdCollector.program, "-f", path]
    }
}

/// HAProxy, for TCP: by the source address, which it keeps.
enum HAProxy {
    static let program = "/usr/sbin/haproxy"

    static func command(_ setting: StageSetting, in sandbox: Sandbox) throws -> [String] {
        let servers = (0..<setting.collectors).map { "  server c\($0) 127.0.0.1:\(setting.ownPort($0))\n" }.joined()
        let path = try Balancer.file(
            """
            global
              maxconn 8000
            defaults
              mode tcp
              timeout connect 5s
              timeout client 60s
              timeout server 60s
            frontend exporters
              bind 127.0.0.1:\(setting.port) backlog 1024
              default_backend collectors
            backend collectors
              balance source
              hash-type consistent
              source 0.0.0.0 usesrc clientip
            \(servers)
            """, in: sandbox)
        return [program, "-f", path, "-db"]
    }
}
