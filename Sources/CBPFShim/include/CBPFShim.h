/*
 * C over libbpf and the system calls that Swift can't import. One convention:
 * a function returns 0 or a positive result, or -errno. None logs, none decides.
 * Who owns a returned descriptor is said at each: "new fd" is the caller's, and
 * is always close-on-exec.
 */
#ifndef CBPF_SHIM_H
#define CBPF_SHIM_H

#include "rpa_bpf.h"
#include "meter_layout.h"
#include "rpa_cgroup.h"
#include "rpa_command.h"
#include "rpa_diag.h"
#include "rpa_process.h"
#include "rpa_socket.h"
#include "rpa_terminal.h"
#include "rpa_trial.h"
#include "rpa_unix.h"
#include "sk_reuseport_layout.h"

#endif
