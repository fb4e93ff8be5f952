#define _GNU_SOURCE
#include "include/rpa_trial.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "result.h"

static void offer_to_the_oom_killer(void)
{
	int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	/* Where it can't be set, the kernel chooses by size. */
	if (file >= 0 && write(file, "1000", 4) < 0)
		;
	if (file >= 0)
		close(file);
}

/* Whoever started this process may have left SIGCHLD ignored: then the kernel keeps no
 * child's exit status. While a trial runs it has its default; then it is as before. */
static struct sigaction before;

static void expect_child(void)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};

	sigaction(SIGCHLD, &standard, &before);
}

int rpa_trial_start(int *report)
{
	pid_t parent = getpid(), pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	expect_child();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* It may have died before that. */
		if (getppid() != parent)
			_exit(1);
		offer_to_the_oom_killer();
		close(ends[0]);
		*report = ends[1];
		return 0;
	}
	if (pid < 0)
		pid = -errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		sigaction(SIGCHLD, &before, NULL);
	} else {
		*report = ends[0];
	}
	return pid;
}

int rpa_trial_end(int pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigaction(SIGCHLD, &before, NULL);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int rpa_trial_fill(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	memset(memory, 1, bytes);
	munmap(memory, bytes);
	return 0;
}

int rpa_bpf_answer(void)
{
	union bpf_attr nothing = {};

	return result(syscall(SYS_bpf, 0x7fffffff, &nothing, sizeof(nothing)));
}

static int make_smallest_map(void)
{
	union bpf_attr smallest = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	int map = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &smallest, sizeof(smallest));

	if (map < 0)
		return -errno;
	close(map);
	return 0;
}

int rpa_counts_locked_memory(void)
{
	struct rlimit before, none;
	int error = make_smallest_map();

	if (error)
		return error;
	if (getrlimit(RLIMIT_MEMLOCK, &before))
		return -errno;
	none = before;
	none.rlim_cur = 0;
	/* Only the soft limit, which can be raised again. */
	if (setrlimit(RLIMIT_MEMLOCK, &none))
		return -errno;
	error = make_smallest_map();
	setrlimit(RLIMIT_MEMLOCK, &before);
	return error == -EPERM ? 1 : error;
}
