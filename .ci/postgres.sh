#!/usr/bin/env bash
# Installs PostgreSQL's server for tests, which start clusters of their own
# (`tests/common/postgres.rs`). Does nothing if it is installed.
set -euo pipefail

if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  exit
fi
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
"${sudo[@]}" apt-get update -qq
# Debian's package creates and starts a server on port 5432, unless this file says no.
"${sudo[@]}" mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' |
  "${sudo[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
"${sudo[@]}" "${install[@]}" -o Dpkg::Options::=--force-confold postgresql
