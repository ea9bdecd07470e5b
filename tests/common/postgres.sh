# The guard of a throw-away PostgreSQL cluster: see `postgres.rs`, which runs it.
#
#   sh postgres.sh PROGRAMS SECONDS
#
# Starts a cluster, prints `ready FOLDER`, waits for the end of its standard input or for SECONDS,
# and then stops the server and removes the folder. Prints the log if the cluster does not start.

PATH=$1:$PATH
folder=$(mktemp -d "${TMPDIR:-/tmp}/postgres.XXXXXX") || exit 1
trap 'pg_ctl stop -D "$folder/data" -m immediate >/dev/null 2>&1; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

# The data is not meant to survive a crash of the machine, so nothing is flushed to the disk.
# No `listen_addresses`: the socket in the folder is the only address.
if initdb --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C \
  --no-sync >"$folder/log" 2>&1 &&
  pg_ctl start -D "$folder/data" -l "$folder/log" -w -t 60 >/dev/null 2>&1 \
    -o "-k '$folder' -c listen_addresses='' -c fsync=off -c shared_buffers=32MB"; then
  echo "ready $folder"
  timeout "$2" cat >/dev/null
else
  cat "$folder/log"
  exit 1
fi
