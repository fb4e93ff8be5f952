#define _GNU_SOURCE
#include "include/rpa_command.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "result.h"

/* Runs in the child before exec. Returns 0, or -errno to prevent the exec. */
typedef int prepare_child(const void *context);

static void become(char *const argv[], int error, int report)
{
	if (!error) {
		execvp(argv[0], argv);
		error = -errno;
	}
	if (write(report, &error, sizeof(error)) != sizeof(error))
		_exit(126);
	_exit(127);
}

/*
 * Forks and executes argv[0], searched in PATH. The child gets death_signal when the
 * calling thread ends (PR_SET_PDEATHSIG). Returns its pid; the caller reaps it.
 * -errno with *refused = 1: the child was forked, but argv[0] can't be executed.
 */
static pid_t fork_exec(char *const argv[], int death_signal, prepare_child *prepare, const void *context,
		       int *refused)
{
	pid_t parent = getpid(), pid;
	int ends[2], error = 0;
	ssize_t length;

	*refused = 0;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, death_signal);
		/* It may have died before that. */
		if (getppid() != parent)
			_exit(128 + death_signal);
		become(argv, prepare(context), ends[1]);
	}
	if (pid < 0)
		error = -errno;
	close(ends[1]);
	/* The end of the pipe: it was closed by the exec, or never had a child. */
	do
		length = read(ends[0], &error, sizeof(error));
	while (length < 0 && errno == EINTR);
	close(ends[0]);
	if (pid < 0)
		return error;
	if (length != sizeof(error))
		return pid;
	waitpid(pid, NULL, 0);
	*refused = 1;
	return error;
}

struct launch {
	char **environment;
	char *const *pid_texts;
	const struct rpa_inherited_signals *inherited;
};

/* RPA_PID_TEXT bytes at text. sprintf(3) isn't async-signal-safe. */
static void write_pid(char *text, pid_t pid)
{
	char digits[RPA_PID_TEXT];
	int count = 0;

	do
		digits[count++] = (char)('0' + pid % 10);
	while ((pid /= 10) > 0);
	while (count > 0)
		*text++ = digits[--count];
	*text = 0;
}

/* Only the child knows its pid. It allocates nothing: the parent has made room. */
static int prepare_launch(const void *context)
{
	const struct launch *launch = context;

	for (char *const *text = launch->pid_texts; *text; text++)
		write_pid(*text, getpid());
	environ = launch->environment;
	if (launch->inherited->ignores_child)
		signal(SIGCHLD, SIG_IGN);
	sigprocmask(SIG_SETMASK, &launch->inherited->mask, NULL);
	return 0;
}

int rpa_launch(char *const argv[], char **environment, char *const pid_texts[],
	       const struct rpa_inherited_signals *inherited, int *refused)
{
	struct launch launch = {.environment = environment, .pid_texts = pid_texts, .inherited = inherited};

	return fork_exec(argv, SIGTERM, prepare_launch, &launch, refused);
}

int rpa_adopt_orphans(void)
{
	return result(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
}

int rpa_close_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -errno;
	return flags & FD_CLOEXEC ? 0 : result(close(fd));
}

struct surroundings {
	int input, output;
	uint32_t open_files;
};

static int surround(const void *context)
{
	const struct surroundings *wanted = context;
	struct sigaction action = {.sa_handler = SIG_DFL};
	struct rlimit limit;
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > wanted->open_files) {
		limit.rlim_cur = wanted->open_files;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Both are above 2: the agent has its own 0, 1 and 2. */
	if (setpgid(0, 0) || dup2(wanted->input, 0) < 0 || dup2(wanted->output, 1) < 0 ||
	    dup2(wanted->output, 2) < 0)
		return -errno;
	return 0;
}

int rpa_start_child(char *const argv[], int input, int output, uint32_t open_files)
{
	struct surroundings wanted = {.input = input, .output = output, .open_files = open_files};
	int refused;

	return fork_exec(argv, SIGKILL, surround, &wanted, &refused);
}

int rpa_memory_file(const void *bytes, size_t length)
{
	int fd = memfd_create("usage", MFD_CLOEXEC);
	size_t written = 0;

	if (fd < 0)
		return -errno;
	while (written < length) {
		ssize_t count = write(fd, (const char *)bytes + written, length - written);

		if (count > 0) {
			written += (size_t)count;
			continue;
		}
		if (count < 0 && errno == EINTR)
			continue;
		return fd_or(count < 0 ? -errno : -EIO, fd);
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

int rpa_output_pipe(int *writer)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*writer = ends[1];
	return ends[0];
}

int rpa_event(void)
{
	return result(eventfd(0, EFD_CLOEXEC));
}

int rpa_raise_event(int event)
{
	uint64_t one = 1;

	return write(event, &one, sizeof(one)) < 0 ? -errno : 0;
}
