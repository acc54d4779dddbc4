# The commands that people type; `just` lists them. Each of them is a script, which
# does without just.

_list:
    @just --list --unsorted

# All tests, against a real control plane, and every fuzz target for some seconds.
test *options:
    hack/test {{ options }}

# The tests that need no control plane.
fast:
    hack/test --fast

# Formatting, shell scripts, clippy.
lint:
    hack/lint

# Everything to look at: a control plane, the chart, Bookinfo.
demo *options:
    hack/demo {{ options }}

# The injector's speed; --quick builds sooner.
bench *options:
    hack/bench inject {{ options }}

# The sidecar's speed beside Envoy's (needs root); --quick builds sooner.
bench-proxy *options:
    hack/bench proxy {{ options }}

# Half an hour of load through the sidecar while everything changes (needs root); --minutes 1 to try it.
soak *options:
    hack/bench soak {{ options }}
