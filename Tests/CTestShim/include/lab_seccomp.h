/* Refuses system calls to a process, as a container's seccomp profile does. */
#ifndef LAB_SECCOMP_H
#define LAB_SECCOMP_H

/* A system call that a seccomp filter is to refuse. */
struct lab_refusal {
	int number;         /* SYS_ of this machine */
	int error;          /* what the caller gets; 0: it is killed by SIGSYS */
	unsigned arguments; /* bit n: the call is refused only if argument n has this value, */
	unsigned values[6]; /* of which the lower 32 bits count */
};

/* From here on this process, and what it starts, is refused that call (seccomp(2)): 0 or
 * -errno. Sets no_new_privs. */
int lab_refuse(const struct lab_refusal *refusal);

/* Numbers of system calls for it. */
int lab_bpf_number(void);
int lab_socket_number(void);
int lab_pidfd_getfd_number(void);

#endif
