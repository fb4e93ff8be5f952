/*
 * C for sandboxes: the demo, tests and benchmarks. The convention is that of CBPFShim: a function
 * returns 0 or a positive result, or -errno.
 */
#ifndef C_LAB_SHIM_H
#define C_LAB_SHIM_H

#include "lab_sandbox.h"

#endif
