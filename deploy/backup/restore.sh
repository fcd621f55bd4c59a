#!/bin/sh
# Replaces the schema of Catalog Courier by a copy that dump.sh made:
#   DATABASE_URL=postgres://postgres@host/courier restore.sh FILE
# All or nothing. It refuses while workers are connected: stop them first.
set -eu
: "${DATABASE_URL:?is the address of the database}"
file=${1:?is the file that dump.sh wrote}
connected=$(psql --no-password --no-psqlrc --tuples-only --no-align --dbname="$DATABASE_URL" --command="
	SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'catalog-courier'")
if [ "$connected" != 0 ]; then
	echo "$connected connections of workers: stop them first" >&2
	exit 1
fi
# Without the list of what is dropped with the schema: whoever reads a word has something to do.
export PGOPTIONS="${PGOPTIONS-} -c client_min_messages=warning"
{
	echo 'BEGIN; DROP SCHEMA IF EXISTS courier CASCADE;'
	pg_restore --file=- "$file" || echo 'the copy cannot be read;'
	echo 'COMMIT;'
} | psql --no-password --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL" >/dev/null
