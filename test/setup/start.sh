#!/bin/sh
# npm start: sets everything up and serves a 10 GiB sparse network disk. Arguments go to `ashlar serve`.
set -eu
cd "$(dirname "$0")/../.."
. test/setup/install.sh
exec node packages/cli/bin/ashlar.js serve --volume demo:10G "$@"
