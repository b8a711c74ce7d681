# `make help` lists the targets.
SHELL := /bin/sh
SWIFT ?= swift
# The demo and the tests use the development build; `make release` is for production.
BUILD := .build/debug
# One line for what takes long; the rest is in a log, .build/logs/build.log here.
COMPILE = @scripts/stage build
# Swift's own libraries are in the program, so that it runs where there is no Swift. Every release build has these flags:
# with others all of it would be built again.
RELEASE := -c release --static-swift-stdlib
EXAMPLES := examples/swift/Package.swift examples/swift/Sources examples/amqp

.PHONY: help setup setup-browser build release install install-check deploy-check deploy-run test openstack browser demo demo-libvirt demo-openstack proof prover-kills seal contract simulate simulate-mutants lint format check \
	docs-amqp api-check sanitize fuzz bench bench-peers bench-bytes bench-replicas chaos chaos-cluster chaos-libvirt clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing on this machine (Debian packages only)
	@scripts/setup

setup-browser: ## The same, and the browser that the console is tested in
	@scripts/setup --browser

build: setup ## Build everything, for development
	$(COMPILE) 'everything, for development' $(SWIFT) build

release: setup ## Build the program for production: .build/release/goldsmith
	$(COMPILE) 'the program, for production' $(SWIFT) build $(RELEASE) --product goldsmith

# Where to: make install PREFIX=/usr DESTDIR=…
install: release ## Install the program, man pages, completions and systemd units (PREFIX, DESTDIR)
	@# What the plugin runs: asked for its help, it builds that and nothing of ours.
	$(SWIFT) package plugin generate-manual --help >/dev/null
	@scripts/install .build/release/goldsmith "$$($(SWIFT) build --show-bin-path)/generate-manual-tool"

install-check: setup ## Install the development build into .build/install, and see that all of it is there
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	$(SWIFT) package plugin generate-manual --help >/dev/null
	@DESTDIR="$(CURDIR)/.build/install" PREFIX=/usr scripts/install $(BUILD)/goldsmith "$$($(SWIFT) build --show-bin-path)/generate-manual-tool"
	test -s .build/install/usr/share/man/man1/goldsmith.image.create.1
	test -s .build/install/usr/share/bash-completion/completions/goldsmith
	.build/install/usr/bin/goldsmith --version

# As root; in namespaces of its own, it needs no engine and no systemd on this machine.
deploy-run: ## Do what the pages on compose and systemd say, for real: first image, kill, drain, upgrade, restore
	@$(MAKE) install DESTDIR="$(CURDIR)/.build/installed" PREFIX=/usr/local
	@scripts/deploy-run .build/installed

deploy-check: setup ## Hold Dockerfile, compose, systemd, Kubernetes and workflow to their linters and schemas
	@scripts/deploy-check

test: setup-browser ## Run every test, against a real RabbitMQ and real disks, and in a real browser
	$(COMPILE) 'everything and the tests' $(SWIFT) build --build-tests
	@scripts/test

demo: setup ## Build, then show an image being made, a worker killed, and a failure cleaned up
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/demo $(BUILD)/goldsmith

demo-libvirt: ## The same on two real libvirt hosts, with an image that starts (as root)
	@scripts/setup --machines
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/demo-libvirt $(BUILD)/goldsmith

demo-openstack: ## The same on a real OpenStack cloud of its own (as root, Debian 12)
	@scripts/setup --cloud
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/demo-openstack $(BUILD)/goldsmith

# Rounds of racing images while something fails, and as many of Nova's own: make openstack ROUNDS=60
ROUNDS ?= 5
openstack: ## Run OpenStackTests on a real OpenStack cloud of its own (as root, Debian 12)
	@scripts/setup --cloud
	$(COMPILE) 'everything and the tests' $(SWIFT) build --build-tests
	@GOLDSMITH_TEST_ROUNDS=$(ROUNDS) scripts/openstack-cloud scripts/test OpenStackTests

# All guests, or some: make proof PROOF_GUESTS='uefi-serial no-initrd'
PROOF_GUESTS ?=
proof: ## Build real Debian guests, some broken, and compare the verdicts of their boot proofs (as root)
	@scripts/setup --guests
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/proof --goldsmith $(BUILD)/goldsmith $(PROOF_GUESTS)

# How many: make prover-kills KILLS=20
KILLS ?= 200
prover-kills: ## Kill workers in the middle of boot proofs, and see that nothing is left (as root)
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/prover-kills --goldsmith $(BUILD)/goldsmith $(KILLS)

seal: ## Seal a real Debian with planted secrets, search it, and compare two instances of it (as root)
	@scripts/setup --guests
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/seal --goldsmith $(BUILD)/goldsmith

contract: setup ## Hold the documented messages and the program to each other; run the examples
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/contract $(BUILD)/goldsmith

browser: setup-browser ## Walk through the console in a browser; screenshots in .build/screenshots
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/browser $(BUILD)/goldsmith

simulate: setup ## Run 2,000 seeds of everything that can go wrong, in virtual time
	$(COMPILE) 'the simulation, for production' $(SWIFT) build $(RELEASE) --product goldsmith-simulate
	@scripts/simulate .build/release/goldsmith-simulate 2000

simulate-mutants: setup ## Plant known defects one at a time; fails unless the simulation catches each
	@scripts/simulate-mutants

# Where the given-up words must not stand. Decisions and the changelog tell of the past.
WORDS_IN := Sources Tests Benchmarks Chaos Fuzz scripts deploy examples $(wildcard docs/*.md) README.md CONTRIBUTING.md SECURITY.md

lint: ## Check the formatting, and that no word stands that was given up
	$(SWIFT) format lint --strict -r -p Package.swift Sources Tests Benchmarks Chaos Fuzz $(EXAMPLES)
	@scripts/words $(WORDS_IN)

format: ## Format the sources
	$(SWIFT) format -i -r -p Package.swift Sources Tests Benchmarks Chaos Fuzz $(EXAMPLES)

check: lint ## Lint, and build with warnings as errors
	@GOLDSMITH_WARNINGS=error scripts/stage build 'everything and the tests' $(SWIFT) build --build-tests

docs-amqp: setup ## Make the documentation of the library AMQPClient; fails on a link to nowhere
	@scripts/docs-amqp

api-check: setup ## Compare the library AMQPClient with the last tag; fails where its users would no longer compile
	@scripts/api-check

sanitize: setup ## Run the AMQP client's tests under the thread and address sanitizers
	@scripts/sanitize

fuzz: setup ## Give made-up bytes to every parser, a minute each (FUZZ_SECONDS)
	@scripts/fuzz

BENCH = .build/release/goldsmith-bench --program .build/release/goldsmith --raw-limit .build/raw-limit

.build/raw-limit: Benchmarks/raw-limit/raw-limit.c | setup
	cc -O2 -Wall -Wextra -o $@ $< -lrabbitmq -lpthread

bench: release .build/raw-limit ## Measure orchestration beside the broker's raw limit: a table, and .build/bench.json
	$(COMPILE) 'what measures it' $(SWIFT) build $(RELEASE) --product goldsmith-bench
	$(BENCH) --json .build/bench.json

# More of it, in turns: make bench-peers PEERS='--items 10000 --rounds 3'
PEERS ?=
bench-peers: release .build/raw-limit ## Measure Goldsmith beside Celery, Dramatiq, Procrastinate and DBOS: a table, and .build/bench-peers.json
	@scripts/setup --peers
	$(COMPILE) 'what measures it' $(SWIFT) build $(RELEASE) --product goldsmith-bench
	$(BENCH) --only peers $(PEERS) --json .build/bench-peers.json

# How much, how long and which script: make chaos CHAOS_IMAGES=10000 CHAOS_SECONDS=600 CHAOS_SEED=7
CHAOS_IMAGES ?= 2000
CHAOS_SECONDS ?= 150
CHAOS_SEED ?=
CHAOS_STORE ?= postgresql
CHAOS = $(BUILD)/goldsmith-chaos --program $(BUILD)/goldsmith --images $(CHAOS_IMAGES) --seconds $(CHAOS_SECONDS) \
	--store $(CHAOS_STORE) $(if $(CHAOS_SEED),--seed $(CHAOS_SEED))

chaos: setup ## Real workers, broker, store and disks under faults for five minutes; one line of JSON
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	$(COMPILE) 'what makes the faults' $(SWIFT) build --product goldsmith-chaos
	@$(CHAOS)

chaos-cluster: setup ## The same on three RabbitMQ nodes, the leader of a queue killed every 20 s
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	$(COMPILE) 'what makes the faults' $(SWIFT) build --product goldsmith-chaos
	@$(CHAOS) --cluster

# How many images: make chaos-libvirt LIBVIRT_IMAGES=500
LIBVIRT_IMAGES ?= 60
chaos-libvirt: setup ## Images of three real libvirt hosts under faults for ten minutes; one line of JSON (as root)
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/chaos-libvirt --images $(LIBVIRT_IMAGES) $(if $(CHAOS_SEED),--seed $(CHAOS_SEED)) $(BUILD)/goldsmith

bench-bytes: release ## Measure making a whole machine's image beside an operator's script: a table, and .build/bench-bytes.json
	Benchmarks/bytes/run --json .build/bench-bytes.json .build/release/goldsmith

# Of what rate, how much data: make bench-replicas RATE=200mbit MEBIBYTES=512
RATE ?= 1gbit
MEBIBYTES ?= 256
bench-replicas: setup ## Measure how eight hosts get an image from one: bytes that leave each, time beside one (as root)
	$(COMPILE) 'the program' $(SWIFT) build --product goldsmith
	@scripts/bench-replicas --rate $(RATE) --mebibytes $(MEBIBYTES) $(BUILD)/goldsmith

clean: ## Remove what was built
	rm -rf .build .build-*
