#!/bin/sh
# Makes the secrets that docker-compose.yml hands to its containers, once:
#   sh deploy/docker/make-secrets.sh
# Nobody else on this machine can enter the folder. The files themselves can be read by all, since
# compose mounts them as they are, and the containers run as other users than you.
set -eu
folder=${1:-secrets}

mkdir -p "$folder"
chmod 700 "$folder"
for name in watchword-token watchword-metrics-token watchword-postgres-password; do
    if [ -s "$folder/$name" ]; then
        echo "$folder/$name is there already: kept" >&2
        continue
    fi
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$folder/$name"
    chmod 644 "$folder/$name"
    echo "$folder/$name is made" >&2
done

# The store of profile `kafka`: its address holds the password
name=watchword-store-url
if [ -s "$folder/$name" ]; then
    echo "$folder/$name is there already: kept" >&2
else
    password=$(cat "$folder/watchword-postgres-password")
    printf 'postgresql+psycopg://watchword:%s@postgres/watchword' "$password" >"$folder/$name"
    chmod 644 "$folder/$name"
    echo "$folder/$name is made" >&2
fi
