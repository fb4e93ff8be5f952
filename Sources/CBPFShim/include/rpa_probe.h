/* Capabilities of the running kernel and of this process. */
#ifndef RPA_PROBE_H
#define RPA_PROBE_H

/* 1 if connections of a closing listener can be sent on (BPF_SK_REUSEPORT_SELECT_OR_MIGRATE),
 * 0 if not, or -errno: -EPERM without CAP_BPF. It loads a program, and throws it away. */
int rpa_probe_migration(void);

/* Numbers of capabilities(7). */
enum rpa_capability {
	RPA_CAP_CHOWN = 0,
	RPA_CAP_NET_BIND_SERVICE = 10,
	RPA_CAP_NET_ADMIN = 12,
	RPA_CAP_NET_RAW = 13,
	RPA_CAP_SYS_PTRACE = 19,
	RPA_CAP_SYS_ADMIN = 21,
	RPA_CAP_PERFMON = 38,
	RPA_CAP_BPF = 39,
};

#endif
