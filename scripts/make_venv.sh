#!/usr/bin/env bash
# Makes the virtual environment from the hash-pinned lock. Needs Python 3.11 or newer, and says so where it is not.
set -euo pipefail
venv=$1

python=""
seen=""
candidates=(python3 python3.14 python3.13 python3.12 python3.11 python)
[ -z "${PYTHON:-}" ] || candidates=("$PYTHON") # whoever names one means that one
for candidate in "${candidates[@]}"; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
    seen="$seen $candidate is $version,"
done
if [ -z "$python" ]; then
    seen=${seen:- there is no ${PYTHON:-python3} here,}
    echo "Python 3.11 or newer is needed, and was not found:$seen nothing was installed." >&2
    echo "On Debian or Ubuntu: apt-get install python3 python3-venv (Debian 12, Ubuntu 24.04 or newer)." >&2
    echo "If it is installed under another name: make PYTHON=/path/to/python3.12 ..." >&2
    exit 2
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing $package, which Debian leaves out of Python ..."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    else
        echo "Python lacks its venv module here. Install it, then start again: sudo apt-get install $package" >&2
        exit 2
    fi
fi

echo "Setting up $venv with $("$python" --version) ..."
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
# The project is put on the path as it lies here: nothing to build, and an edit is in force at once.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
pwd >"$site/openmart_pipeline.pth"
cat >"$venv/bin/openmart-pipeline" <<END
#!$PWD/$venv/bin/python
from openmart_pipeline.cli import main

main(prog_name="openmart-pipeline")
END
chmod +x "$venv/bin/openmart-pipeline"
"$venv/bin/python" -m compileall -q "$site" >/dev/null 2>&1 || true
