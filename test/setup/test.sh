#!/bin/sh
# npm test: sets everything up, npm and Debian packages, and runs every check.
set -eu
cd "$(dirname "$0")/../.."
. test/setup/install.sh
. test/setup/tools.sh
# Each file of tests is a process of its own, and so is each server: what one compiled of the sources, the next one has.
export NODE_COMPILE_CACHE="$PWD/node_modules/.cache/node"
exec node test/setup/run.ts "$@"
