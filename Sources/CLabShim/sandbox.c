#define _GNU_SOURCE
#include "include/lab_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The first process is forked from a program with many threads: until it execs,
 * it may use nothing that takes a lock (signal-safety(7)).
 */

static int loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int error = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		error = -errno;
	close(fd);
	return error;
}

/* ip route add local 0.0.0.0/0 dev lo, or ::/0 */
static int route_everything_here(int family)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr device;
		uint32_t index;
	} message = {
		.header =
			{
				.nlmsg_len = sizeof(message),
				.nlmsg_type = RTM_NEWROUTE,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
			},
		.route =
			{
				.rtm_family = (unsigned char)family,
				.rtm_table = RT_TABLE_LOCAL,
				.rtm_protocol = RTPROT_BOOT,
				.rtm_scope = RT_SCOPE_HOST,
				.rtm_type = RTN_LOCAL,
			},
		.device = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = RTA_OIF},
		.index = 1, /* the loopback of every namespace */
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr body;
		char more[256];
	} reply;
	int error = 0, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (send(fd, &message, sizeof(message), 0) < 0 || recv(fd, &reply, sizeof(reply), 0) < 0)
		error = -errno;
	else if (reply.header.nlmsg_type == NLMSG_ERROR)
		error = reply.body.error;
	close(fd);
	return error;
}

static int mounted(const char *type, const char *place, const char *options)
{
	return mount(type, place, type, MS_NOSUID | MS_NODEV, options) ? -errno : 0;
}

enum step { START, PRIVATE_MOUNTS, PROC, BPFFS, RUN, LOOPBACK, ROUTE4, ROUTE6, READY };

static const char *const step_names[] = {
	[START] = "clone with new namespaces",
	[PRIVATE_MOUNTS] = "mount / private",
	[PROC] = "mount /proc",
	[BPFFS] = "mount /sys/fs/bpf",
	[RUN] = "mount /run",
	[LOOPBACK] = "bring loopback up",
	[ROUTE4] = "route IPv4 to loopback",
	[ROUTE6] = "route IPv6 to loopback",
};

static int furnish(enum step step)
{
	switch (step) {
	case PRIVATE_MOUNTS:
		return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ? -errno : 0;
	case PROC:
		return mounted("proc", "/proc", NULL);
	case BPFFS:
		return mounted("bpf", "/sys/fs/bpf", "mode=0755");
	case RUN:
		return mounted("tmpfs", "/run", "mode=0755");
	case LOOPBACK:
		return loopback_up();
	case ROUTE4:
		return route_everything_here(AF_INET);
	case ROUTE6: {
		/* A kernel without IPv6 is fine for all that doesn't use it. */
		int error = route_everything_here(AF_INET6);

		return error == -EAFNOSUPPORT || error == -EOPNOTSUPP ? 0 : error;
	}
	default:
		return 0;
	}
}

struct report {
	int step;
	int error;
};

static void be_first(char *const argv[], int report_fd)
{
	struct report report = {.step = PRIVATE_MOUNTS};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What other threads have open would live on here. */
	if (!argv) {
		if (report_fd > 0)
			syscall(SYS_close_range, 0u, (unsigned)report_fd - 1, 0u);
		syscall(SYS_close_range, (unsigned)report_fd + 1, ~0u, 0u);
	}
	while (report.step < READY && !(report.error = furnish(report.step)))
		report.step++;
	if (write(report_fd, &report, sizeof(report)) != sizeof(report) || report.error)
		_exit(1);
	close(report_fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (argv) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	/* Orphans are reaped by the kernel. */
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		pause();
}

int lab_sandbox_start(char *const argv[], const char **failed)
{
	struct report report = {.step = START, .error = -EPIPE};
	int ends[2];
	long pid;

	*failed = step_names[START];
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = syscall(SYS_clone, CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0) {
		report.error = -errno;
	} else if (pid == 0) {
		be_first(argv, ends[1]);
	} else {
		close(ends[1]);
		ends[1] = -1;
		if (read(ends[0], &report, sizeof(report)) != sizeof(report))
			report.error = -EPIPE;
	}
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	if (!report.error)
		return (int)pid;
	*failed = step_names[report.step];
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return report.error;
}

static const struct {
	const char *name;
	int type;
} namespaces[] = {{"net", CLONE_NEWNET}, {"pid", CLONE_NEWPID}, {"mnt", CLONE_NEWNS}};

#define NAMESPACE_COUNT (sizeof(namespaces) / sizeof(namespaces[0]))

static int open_namespaces(const char *process, struct lab_namespaces *opened)
{
	for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
		char path[64];
		int error;

		snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, namespaces[i].name);
		opened->fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (opened->fds[i] >= 0)
			continue;
		error = -errno;
		while (i-- > 0)
			close(opened->fds[i]);
		return error;
	}
	return 0;
}

/* Closes the descriptors of the namespaces. */
static int move_to(struct lab_namespaces *there)
{
	int error = 0;

	for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
		if (!error && setns(there->fds[i], namespaces[i].type))
			error = -errno;
		close(there->fds[i]);
	}
	return error;
}

int lab_sandbox_enter(int32_t first_pid, struct lab_namespaces *home)
{
	struct lab_namespaces inside;
	char process[16];
	int error;

	/* A thread that shares its working directory with others can't change mounts. */
	if (unshare(CLONE_FS))
		return -errno;
	snprintf(process, sizeof(process), "%d", first_pid);
	if ((error = open_namespaces("thread-self", home)))
		return error;
	error = open_namespaces(process, &inside);
	if (!error)
		error = move_to(&inside);
	if (error)
		move_to(home);
	return error;
}

int lab_sandbox_leave(struct lab_namespaces *home)
{
	return move_to(home);
}

int lab_sandbox_user(uint32_t user)
{
	/* The C library's function would change all threads. */
	return syscall(SYS_setresuid, -1, user, -1) ? -errno : 0;
}

int lab_sandbox_capabilities(uint64_t effective)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, sets))
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		sets[i].effective = sets[i].permitted & (uint32_t)(effective >> (32 * i));
	return syscall(SYS_capset, &header, sets) ? -errno : 0;
}

int lab_run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int lab_enter_network(int number)
{
	return setns(number, CLONE_NEWNET) ? -errno : 0;
}

const char *lab_executed_path(void)
{
	return (const char *)getauxval(AT_EXECFN);
}
