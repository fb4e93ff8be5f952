#include "include/lab_seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif

int lab_refuse(const struct lab_refusal *refusal)
{
	/* At most: the number, two for each argument, and two verdicts. */
	struct sock_filter code[2 + 2 * 6 + 2];
	unsigned short end = 2, next = 0;
	struct sock_fprog program = {.filter = code};

	for (int i = 0; i < 6; i++)
		end += refusal->arguments >> i & 1 ? 2 : 0;
	/* To the last instruction, which allows it, from wherever something differs. */
	code[next++] =
		(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	code[next] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)refusal->number, 0,
						  end - next);
	next++;
	for (int i = 0; i < 6; i++) {
		if (!(refusal->arguments >> i & 1))
			continue;
		code[next++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							    offsetof(struct seccomp_data, args) +
								    8 * (unsigned)i + LOW_HALF);
		code[next] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal->values[i], 0,
							  end - next);
		next++;
	}
	code[next++] = (struct sock_filter)BPF_STMT(
		BPF_RET | BPF_K,
		refusal->error ? SECCOMP_RET_ERRNO | (unsigned)refusal->error : SECCOMP_RET_KILL_PROCESS);
	code[next++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = next;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}

int lab_bpf_number(void)
{
	return SYS_bpf;
}

int lab_socket_number(void)
{
	return SYS_socket;
}

int lab_pidfd_getfd_number(void)
{
	return SYS_pidfd_getfd;
}
