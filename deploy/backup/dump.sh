#!/bin/sh
# Copies the schema of Catalog Courier while workers run:
#   DATABASE_URL=postgres://courier_migrate@host/courier dump.sh FILE
# The copy is one moment of the database. FILE appears when it is whole.
set -eu
umask 077 # it holds payloads
: "${DATABASE_URL:?is the address of the database}"
file=${1:?is the file to write}
pg_dump --no-password --format=custom --schema=courier --dbname="$DATABASE_URL" --file="$file.part"
pg_restore --list "$file.part" >/dev/null # it can be read
mv "$file.part" "$file"
