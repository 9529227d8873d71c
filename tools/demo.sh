#!/usr/bin/env bash
# The server behind ./dev run:  demo.sh ROOST DIR.  Everything it makes is under DIR and is kept.
set -euo pipefail
roost=$(realpath "${1:?demo.sh ROOST DIR}")
mkdir -p "${2:?demo.sh ROOST DIR}"
dir=$(realpath "$2")
conf=$dir/roost.conf
here=$(dirname "$(realpath "$0")")

certificate() { # DOMAIN
	[ -s "$dir/$1.pem" ] && return 0
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$1" \
		-addext "subjectAltName=DNS:$1,DNS:imap.$1,DNS:localhost,IP:127.0.0.1" \
		-keyout "$dir/$1.key" -out "$dir/$1.pem" 2>/dev/null
}

certificate example.org
certificate example.net
cat >"$conf" <<CONF
# Written by ./dev run at every start.
store = "$dir/store"
hostname = "localhost"
admin_socket = "$dir/admin.sock"
listen { protocol = "imap"  address = "127.0.0.1" port = 1143 }
listen { protocol = "imaps" address = "127.0.0.1" port = 1993 }
listen { protocol = "lmtp"  address = "127.0.0.1" port = 1024 }
listen { protocol = "lmtp"  path = "$dir/lmtp.sock" }
tls { certificate = "$dir/example.org.pem" key = "$dir/example.org.key" }
tls { certificate = "$dir/example.net.pem" key = "$dir/example.net.key" }
CONF

if [ ! -s "$dir/password" ]; then
	"$roost" domain add -c "$conf" example.org >/dev/null
	"$roost" domain add -c "$conf" example.net >/dev/null
	password=$(openssl rand -hex 8)
	"$roost" user add -c "$conf" --password-stdin alice@example.org <<<"$password" >/dev/null
	for message in "$here"/samples/*.eml; do
		"$roost" deliver -c "$conf" alice@example.org <"$message" >/dev/null
	done
	(umask 077; echo "$password" >"$dir/password")
fi
password=$(cat "$dir/password")
fingerprint=$(openssl x509 -in "$dir/example.org.pem" -noout -fingerprint -sha256 | cut -d= -f2)

cat <<CARD

  Roost is starting.  Stop it with Ctrl-C; everything is kept in $dir

    server        127.0.0.1
    IMAP          port 1143 (STARTTLS)
    IMAPS         port 1993 (TLS)
    LMTP          port 1024 and $dir/lmtp.sock
    user          alice@example.org
    password      $password
    certificate   SHA-256 $fingerprint

  Try:  curl -k -u 'alice@example.org:$password' --url 'imaps://127.0.0.1:1993/INBOX' -X 'FETCH 1:* (FLAGS ENVELOPE)'

CARD
exec "$roost" serve -c "$conf"
