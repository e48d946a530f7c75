# Sourced by test.sh, in the project's folder: installs the Debian packages of tools.txt that are missing, when this is root
# on a Debian, and sets ASHLAR_MISSING_TOOLS to what is still not there.

tool_is_there() {
  case "$1" in
    lib:*) ldconfig -p | grep -qF "${1#lib:}" ;;
    python:*) /usr/bin/python3 -c "import ${1#python:}" >/dev/null 2>&1 ;;
    # Unquoted, so that the wildcards work.
    /*) for file in $1; do [ -e "$file" ] && return 0; done; return 1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

known_package() {
  for name in "$@"; do
    if apt-cache show "$name" >/dev/null 2>&1; then echo "$name"; return; fi
  done
}

each_missing_tool() {
  set -f
  sed 's/#.*//' test/setup/tools.txt | while read -r probe packages; do
    [ -n "$probe" ] || continue
    set +f
    tool_is_there "$probe" || "$@" "$probe" $packages
    set -f
  done
  set +f
}

say_tool() { echo "$1"; }
say_package() { shift; known_package "$@"; }

if [ -n "$(each_missing_tool say_tool)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo 'installing the Debian packages that the tests use'
  apt-get update -qq || echo 'apt-get update failed; going on with the lists that are there' >&2
  packages=$(each_missing_tool say_package | sort -u | tr '\n' ' ')
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages >/dev/null ||
    echo "apt-get could not install all of: $packages" >&2
fi
ASHLAR_MISSING_TOOLS=$(each_missing_tool say_tool | tr '\n' ' ')
export ASHLAR_MISSING_TOOLS
