#!/bin/sh
# npm test: sets everything up, npm and Debian packages, and runs every check.
set -eu
cd "$(dirname "$0")/../.."
. test/setup/install.sh
. test/setup/tools.sh
exec node test/setup/run.ts "$@"
