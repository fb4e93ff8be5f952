/*
 * C for tests and benchmarks only. The convention is that of CBPFShim: a function returns 0 or a
 * positive result, or -errno.
 */
#ifndef C_TEST_SHIM_H
#define C_TEST_SHIM_H

#include "lab_flood.h"
#include "lab_seccomp.h"
#include "lab_terminal.h"

#endif
