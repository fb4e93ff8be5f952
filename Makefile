# Each target installs the packages that it needs, on Debian with a Swift toolchain.
PREFIX ?= /usr/local
release = .build/release/reuseport-agent
# The demo and the tests create namespaces, which requires root.
as_root = $(if $(filter 0,$(shell id -u)),,sudo env "PATH=$$PATH" "TMPDIR=$$TMPDIR" "CI=$$CI" "JOBS=$$JOBS")
# Without the benchmarks, which --build-tests builds, too, as `make check` does.
build_tests = swift build --product reuseport-agentPackageTests
# SwiftPM leaves locks and empty folders in the folder for temporary files.
export TMPDIR := $(CURDIR)/.build/tmp
$(shell mkdir -p $(TMPDIR))

.PHONY: help demo test test-long test-kernels build check bench install clean

help:
	@echo "make demo     four nfacctd, real router traffic, without and then with the agent"
	@echo "make test     all tests, with real collectors (SUITES=PATTERN: only these; JOBS=N: number at a time)"
	@echo "make test-long     a flood of 10,000,000 addresses, 1,500 random sequences, all tests beside a build, test-kernels"
	@echo "make test-kernels   tests on Debian's kernels, under QEMU (KERNELS=\"5.10 6.1 6.12\")"
	@echo "make build    the release binary, $(release)"
	@echo "make check    format, lint, imports, links of the documentation, and unprivileged tests"
	@echo "make bench    benchmarks of the agent and its peers; writes Benchmarks/RESULTS.md (PARTS=...: only these)"
	@echo "make install  installs the binary and examples below PREFIX ($(PREFIX))"
	@echo "make clean    removes build products"

demo:
	@scripts/setup.sh demo
	@$(MAKE) --no-print-directory $(release)
	@$(as_root) $(release) demo

test:
	@scripts/setup.sh test
	$(build_tests)
	$(as_root) scripts/test.sh '$(SUITES)'

# Long tests that must pass before a change is done.
test-long:
	@scripts/setup.sh test
	$(build_tests)
	$(as_root) env FLOOD=10000000 MODEL_SEQUENCES=1500 scripts/test.sh 'FloodTests|ModelTests'
	$(as_root) scripts/test.sh --beside-build '$(SUITES)'
	$(MAKE) --no-print-directory test-kernels

# KERNELS: versions to test. KERNEL_PACKAGES: a folder with their packages. RECORD: a page that gets the table.
test-kernels: export KERNELS := $(KERNELS)
test-kernels: export KERNEL_PACKAGES := $(KERNEL_PACKAGES)
test-kernels: export RECORD := $(RECORD)
test-kernels:
	@scripts/setup.sh kernels
	$(build_tests)
	@scripts/test-kernels.sh

build:
	@scripts/setup.sh build
	@$(MAKE) --no-print-directory $(release)

# Phony, because Swift itself detects changes.
.PHONY: $(release)
$(release):
	swift build -c release --static-swift-stdlib --product reuseport-agent

check:
	@scripts/setup.sh check
	swift format lint --strict --recursive --parallel Sources Tests Plugins Benchmarks Package.swift
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
	scripts/check-imports.sh
	scripts/check-links.sh
	swift build --build-tests --explicit-target-dependency-import-check error
	scripts/test.sh '^(SockArrayCore|TelemetryLab|AgentCore)Tests'

# PARTS: parts of Benchmarks/RESULTS.md to measure; default: all.
bench:
	@scripts/setup.sh bench
	swift build -c release --static-swift-stdlib --product reuseport-agent
	swift build -c release --static-swift-stdlib --product reuseport-bench
	$(as_root) .build/release/reuseport-bench --agent $(release) $(PARTS)
	/usr/bin/python3 Benchmarks/charts.py Benchmarks

install: build
	install -D -m 755 $(release) $(DESTDIR)$(PREFIX)/bin/reuseport-agent
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/reuseport-agent \
	    examples/nfacctd.conf examples/reuseport-agent.yaml examples/systemd/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/reuseport-agent/prometheus examples/prometheus/*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/reuseport-agent/grafana examples/grafana/*

clean:
	rm -rf .build && mkdir -p $(TMPDIR)
