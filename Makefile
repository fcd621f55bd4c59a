# Everything a developer runs. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
BIN     ?= bin
DATA    ?= ../shared/data
FUZZ    ?= 20s
MUTATIONS ?= 5000000
MINUTES ?= 3
SEED    ?= 0
# The version of a release; without one the program names the commit.
VERSION ?= $(shell git describe --tags --exact-match 2>/dev/null)
LDFLAGS := -s -w -X main.linked=$(VERSION)

# Tools: from the PATH, else from go install into this folder.
TOOLS         ?= $(shell $(GO) env GOPATH)/bin
GOLANGCI_LINT ?= $(TOOLS)/golangci-lint
SQLC          ?= $(TOOLS)/sqlc
GOLANGCI_LINT_VERSION := v2.15.0
SQLC_VERSION          := v1.31.1

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

.PHONY: build
build: ## build worker and enqueue into bin/
	@echo "building worker and enqueue: the first time it takes a few minutes"
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/worker ./cmd/enqueue

# Tests that run at a time in a package. Many wait for platforms, leases and pauses
# most of the time; with the race detector they compute.
PARALLEL ?= 8
RACE_PARALLEL ?= 4

# The packages whose tests take longest, most of it waiting. They begin first, so that the
# others run beside them and none is left alone at the end.
LONGEST := ./service ./delivery

.PHONY: test
test: ## run all tests: real NATS and Postgres, started by the tests themselves
	$(GO) test -shuffle=on -parallel $(PARALLEL) -timeout 15m $(LONGEST) ./...

# Packages whose code starts no goroutines that share anything, and those whose tests look at
# other processes, which are built without it: there is nothing for the race detector to see.
# The clients of Meta and Pinterest are called at the same time by the tests of ./service.
RACELESS := catalog docs schema deploy internal/reason internal/config internal/ledger internal/httpfail internal/instant \
	internal/legible internal/nearest internal/precondition internal/rawjson internal/standardwebhooks \
	platform/rules platform/builtin platform/meta platform/pinterest source source/webhook source/feed source/difference \
	status replay cmd/worker cmd/enqueue test/oracle test/workload test/console test/drill test/upgrade

# Collecting garbage is dear with the race detector: a quarter of the processor time, for
# heaps that stay small. Vetting and what only debuggers read are left to make test.
.PHONY: race
race: ## run the tests with the race detector, the long ones shortened
	GOGC=400 $(GO) test -race -short -vet=off -ldflags=-w -shuffle=on -parallel $(RACE_PARALLEL) -timeout 15m \
		$$($(GO) list $(LONGEST) ./... | grep -vxF "$$(printf '%s\n' $(RACELESS) | sed "s|^|$$($(GO) list -m)/|")")

POSTGRES ?= 15 16 17 18

.PHONY: postgres
postgres: ## run the tests of the store on each Postgres of POSTGRES (15 16 17 18) that is installed
	@for version in $(POSTGRES); do \
		folder=$$(ls -d /usr/lib/postgresql/$$version/bin /usr/pgsql-$$version/bin 2>/dev/null | head -1 || true); \
		if [ -z "$$folder" ]; then echo "Postgres $$version is not installed"; [ -z "$(REQUIRED)" ] || exit 1; continue; fi; \
		echo "Postgres $$version"; \
		PATH="$$folder:$$PATH" $(GO) test -count=1 ./persistence ./service -run '^Test(Store|Migrat|Views|Lists|Kill|EveryWay)' || exit 1; \
	done

.PHONY: lint
lint: ## check go.mod, formatting, vet and the linters of .golangci.yml
	$(GO) mod tidy -diff
	$(GO) -C bench mod tidy -diff
	$(GO) -C bench/peers mod tidy -diff
	$(GO) -C deploy/check mod tidy -diff
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) run ./...
	cd deploy/check && $(GOLANGCI_LINT) run --config ../../.golangci.yml --disable gomoddirectives ./...
	cd bench/peers && $(GOLANGCI_LINT) run --config ../../.golangci.yml --disable gomoddirectives ./...
# Not bench/peers/bento: its dependencies are hundreds of modules, and minutes to compile.
# It is one file. After changing it: go mod tidy and the linter, in its folder.

.PHONY: generate
generate: ## regenerate code, examples and reference tables
	cd persistence && $(SQLC) generate
	$(GO) run ./examples/generate
	$(GO) test ./internal/config ./internal/telemetry ./internal/reason -run TestReference -update

.PHONY: generated
generated: ## check that generated files are what their sources say
	cd persistence && $(SQLC) diff
	$(GO) run ./examples/generate -check
	$(GO) test ./internal/config ./internal/telemetry ./internal/reason ./cmd/worker ./cmd/enqueue -run TestReference

.PHONY: deploy-check
deploy-check: ## check the alerts, dashboard, units, manifests and chart of deploy/, and the configuration of the release, without a cluster
	$(GO) test -count=1 ./deploy
	$(GO) -C deploy/check test -count=1 ./...

SEEDS ?= 1

.PHONY: drill
drill: ## copy the database of a loaded installation, restore the older copy, go on, compare: SEEDS (1) histories of each kind
	$(GO) test -count=1 -timeout 60m ./test/drill -args -seeds $(SEEDS)

# The last release, whose workers run beside those of this tree. A clone may lack the tag;
# then it is the commit that the release was made of.
RELEASE ?= $(shell git rev-parse --quiet --verify v0.1.0^{commit} 2>/dev/null || echo 04b5bc6)

# Not part of test: it needs the history of the repository, and builds a second program.
.PHONY: upgrade
upgrade: SEEDS = 2
upgrade: ## run workers of RELEASE (the last one) and of this tree side by side, as in a rolling upgrade: SEEDS (2) histories each way
	source=$$(mktemp -d); trap 'rm -rf "$$source"' EXIT; git archive $(RELEASE) | tar -x -C "$$source"; mkdir -p $(BIN); \
		$(GO) -C "$$source" build -buildvcs=false -o $(abspath $(BIN))/worker-release ./cmd/worker
	$(GO) test -count=1 -timeout 30m ./test/upgrade -args -former $(abspath $(BIN))/worker-release -seeds $(SEEDS)

.PHONY: demo
demo: build ## start everything, publish examples/, wait for the end, compare
	$(BIN)/worker demo

.PHONY: real
real: build ## run real data through, such as make real DATA=../shared/data
	$(GO) -C bench run ./real -data $(abspath $(DATA))

# Every history is a seed; SEED= tells one of them again, with its journal.
HISTORIES ?= 2000
SHARDS    ?= 2

.PHONY: sim
sim: ## tell HISTORIES (2000) of whole workers on fake time, or SEED alone; break the workers and see each caught
	$(GO) test -c -o $(BIN)/simulation.test ./test/simulation
	@if [ "$(SEED)" -gt 0 ]; then cd test/simulation && ../../$(BIN)/simulation.test -test.v -test.run '^TestHistories$$' -seed $(SEED); else \
		cd test/simulation; pids=; each=$$(( ($(HISTORIES) + $(SHARDS) - 1) / $(SHARDS) )); \
		for shard in $$(seq 0 $$(($(SHARDS) - 1))); do \
			../../$(BIN)/simulation.test -test.run '^TestHistories$$' -first $$((shard * each + 1)) -histories $$each & pids="$$pids $$!"; \
		done; for pid in $$pids; do wait $$pid; done; \
		../../$(BIN)/simulation.test -test.v -test.run '^Test(Replay|Broken)' -replays 200 -compile; \
	fi

.PHONY: sim-short
sim-short: ## the form of sim that runs before each merge
	$(GO) test ./test/simulation -count=1 -run '^Test(Histories|Replay)$$' -args -histories 300 -replays 120

# Names of scenarios and flags, such as BENCH="-runs 1 -out new.jsonl backlog trickle"; -h lists them.
BENCH ?=

.PHONY: bench
bench: build ## measure what a worker does and costs in each scenario, beside the bare machine
	$(GO) -C bench run . $(BENCH)

# A higher priority keeps other programs of the machine away, where the user may have one.
.PHONY: bench-gate
bench-gate: build ## check what a mutation costs the worker against the limit in bench/gate.go: a minute
	$(GO) build -C bench -o $(abspath $(BIN))/bench .
	nice -n -15 $(BIN)/bench -worker $(BIN)/worker gate

PEERS_MUTATIONS ?= 200000
ROUNDS          ?= 5
# More flags, such as -out runs.jsonl -entrants courier-plain,naive.
PEERS_FLAGS     ?=
PEERS           := $(BIN)/peers/peers -programs $(BIN)/peers -worker $(BIN)/worker

.PHONY: peers-build
peers-build: build ## build what make peers measures; Bento takes minutes the first time
	$(GO) -C bench/peers build -o $(abspath $(BIN))/peers/ ./...
	$(GO) -C bench/peers/bento build -o $(abspath $(BIN))/peers/bento .

.PHONY: peers
peers: peers-build ## measure beside what a team would use instead: PEERS_MUTATIONS=200000 ROUNDS=5
	$(PEERS) -mutations $(PEERS_MUTATIONS) -rounds $(ROUNDS) $(PEERS_FLAGS)

.PHONY: peers-latency
peers-latency: ROUNDS = 2
peers-latency: peers-build ## the same for mutations that come one by one: from publish to POST, ROUNDS=2
	$(PEERS) -latency 30s -max-age 1ms -rounds $(ROUNDS) $(PEERS_FLAGS)

ITEMS ?= 1000000

.PHONY: bench-feed
bench-feed: build ## runs of a feed with ITEMS (1000000) items: time, memory, mutations
	$(GO) -C bench run ./feed -enqueue ../$(BIN)/enqueue -items $(ITEMS)

.PHONY: bench-console
bench-console: MUTATIONS = 10000000
bench-console: ## what pages and commands ask of MUTATIONS (10000000) over 30 days in 1,000 accounts: medians
	$(GO) -C bench run ./console -mutations $(MUTATIONS)

.PHONY: bounded
bounded: build ## memory while MUTATIONS (5000000) wait on a paused account
	$(GO) -C bench run ./scale -worker ../$(BIN)/worker -mutations $(MUTATIONS) bounded

.PHONY: accounts
accounts: build ## what four workers with 10,000 accounts need, working and idle
	$(GO) -C bench run ./scale -worker ../$(BIN)/worker accounts

.PHONY: join
join: build ## workers join, leave and are killed under load: how partitions move
	$(GO) -C bench run ./scale -worker ../$(BIN)/worker join

PAIRS ?= 5

.PHONY: isolation
isolation: build ## what ordinary accounts wait beside others in trouble, in PAIRS (5) of runs
	$(GO) -C bench run ./scale -worker ../$(BIN)/worker -pairs $(PAIRS) isolation

.PHONY: soak
soak: MINUTES = 60
soak: build ## look for MINUTES (60) whether anything grows under a steady load
	$(GO) -C bench run ./scale -worker ../$(BIN)/worker -during $(MINUTES)m -csv ../soak.csv soak

.PHONY: chaos
chaos: build ## break everything at random and check that nothing is lost: SEED= MINUTES=3
	$(GO) build -o $(BIN)/ ./test/chaos
	$(GO) run ./test/chaos/clock/build -out $(BIN)/worker-clock
	$(BIN)/chaos -worker $(BIN)/worker -clock-worker $(BIN)/worker-clock -seed $(SEED) -duration $(MINUTES)m -report chaos-report.md

.PHONY: chaos-short
chaos-short: ## the same in half a minute
	$(MAKE) chaos MINUTES=0.6

.PHONY: fuzz
fuzz: ## run each fuzz test for FUZZ (20s)
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ) $$package; \
		done; \
	done

.PHONY: tools
tools: ## install the linter and sqlc where they are missing
	@test -x $(GOLANGCI_LINT) || $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@test -x $(SQLC) || $(GO) install github.com/sqlc-dev/sqlc/cmd/sqlc@$(SQLC_VERSION)

.PHONY: ci
ci: ## everything that must pass before a change is merged
	.ci/run

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)
