#include "include/rpa_probe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <unistd.h>

int rpa_probe_migration(void)
{
	/* r0 = ctx->migrating_sk; r0 = SK_DROP; exit. By the field, for older kernels
	 * take any expected_attach_type. */
	const struct bpf_insn drop[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_DW,
		 .dst_reg = BPF_REG_0,
		 .src_reg = BPF_REG_1,
		 .off = offsetof(struct sk_reuseport_md, migrating_sk)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE);
	int program = bpf_prog_load(BPF_PROG_TYPE_SK_REUSEPORT, "probe", "GPL", drop,
				    sizeof(drop) / sizeof(drop[0]), &options);

	if (program < 0)
		return program == -EINVAL || program == -EACCES ? 0 : program;
	close(program);
	return 1;
}
