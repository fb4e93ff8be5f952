#include "include/rpa_probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

int rpa_probe_sk_reuseport(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SK_REUSEPORT, NULL);
}

int rpa_probe_sockarray(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, NULL);
}
