# Sourced by start.sh and test.sh, in the project's folder: brings the npm packages, and with them Node 24, up to the lock
# file, and puts them first on PATH.
PATH="$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
TURBO_TELEMETRY_DISABLED=1
export PATH TURBO_TELEMETRY_DISABLED

# npm writes the hidden lock file last, so it is there only after a complete install.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo 'installing the npm packages'
  npm ci --no-audit --no-fund --loglevel=error
fi
if [ ! -x node_modules/.bin/node ]; then
  echo 'npm brought no Node 24 for this machine; there is one for Linux on x64 and arm64' >&2
  exit 1
fi
