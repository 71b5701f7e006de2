#!/bin/sh
# Publishes an event to my-channel on `fanfare serve --dev`: publish.sh [TEXT [EVENT]]
# Needs openssl and curl. FANFARE_URL is another server than http://127.0.0.1:8080.
set -eu

url=${FANFARE_URL:-http://127.0.0.1:8080}
id=app-id key=app-key secret=app-secret

# The inside of a JSON string; the text is one line.
quote() { printf %s "$1" | sed 's/[\\"]/\\&/g'; }

# An event's data is itself JSON in a string.
data="{\"text\":\"$(quote "${1:-Hi}")\"}"
body="{\"name\":\"$(quote "${2:-hello}")\",\"channel\":\"my-channel\",\"data\":\"$(quote "$data")\"}"

# What is signed: method, path, and the parameters in alphabetical order, among them the MD5 of the body.
md5=$(printf %s "$body" | openssl dgst -md5 -r | cut -c-32)
query="auth_key=$key&auth_timestamp=$(date +%s)&auth_version=1.0&body_md5=$md5"
signature=$(printf 'POST\n/apps/%s/events\n%s' "$id" "$query" | openssl dgst -sha256 -hmac "$secret" -r | cut -c-64)

# Prints {} when the event is published, or else why it is not.
curl -sS --data-binary "$body" "$url/apps/$id/events?$query&auth_signature=$signature"
echo
