#!/usr/bin/env bash
# The server behind ./dev run:  demo.sh ROOST DIR.  Everything it makes is under DIR and is kept: two domains with a
# certificate each, alice@example.org with a random password, and some messages to look at.  What an interrupted first
# start left out is made up for by the next.
set -euo pipefail
roost=$(realpath "${1:?demo.sh ROOST DIR}")
mkdir -p "${2:?demo.sh ROOST DIR}"
dir=$(realpath "$2")
conf=$dir/roost.conf
samples=$(dirname "$(realpath "$0")")/samples
user=alice@example.org

certificate() { # DOMAIN
	[ -s "$dir/certificates/$1.pem" ] && return 0
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$1" \
		-addext "subjectAltName=DNS:$1,DNS:imap.$1,DNS:localhost,IP:127.0.0.1" \
		-keyout "$dir/certificates/$1.key" -out "$dir/certificates/$1.new" 2>/dev/null
	mv "$dir/certificates/$1.new" "$dir/certificates/$1.pem"
}

first_start() {
	local domain password message
	for domain in example.org example.net; do
		"$roost" domain list -c "$conf" | grep -qx "$domain" || "$roost" domain add -c "$conf" "$domain"
	done
	password=$(openssl rand -hex 8)
	if "$roost" user list -c "$conf" | grep -qx "$user"; then
		"$roost" user passwd -c "$conf" --password-stdin "$user" <<<"$password"
	else
		"$roost" user add -c "$conf" --password-stdin "$user" <<<"$password"
	fi
	if "$roost" mailbox list -c "$conf" "$user" | grep -q "^INBOX	0	"; then
		for message in "$samples"/*.eml; do
			"$roost" deliver -c "$conf" "$user" <"$message"
		done
	fi
	(umask 077 && echo "$password" >"$dir/password.new")
	mv "$dir/password.new" "$dir/password"
}

card() {
	local password fingerprint
	password=$(cat "$dir/password")
	fingerprint=$(openssl x509 -in "$dir/certificates/example.org.pem" -noout -fingerprint -sha256 | cut -d= -f2)
	cat <<CARD

  Roost is running.  Ctrl-C stops it; everything is kept in $dir

    server        127.0.0.1
    IMAP          port 1143 (STARTTLS)
    IMAPS         port 1993 (TLS)
    LMTP          port 1024, and $dir/lmtp.sock
    user          $user
    password      $password
    certificate   SHA-256 $fingerprint

  List the inbox:
    curl -sS --cacert '$dir/certificates/example.org.pem' -u '$user:$password' 'imaps://127.0.0.1:1993/INBOX' -X 'FETCH 1:* (FLAGS ENVELOPE)'

  Deliver something to it:
    echo 'Subject: hello' | $roost deliver -c '$conf' $user

CARD
}

(umask 077 && mkdir -p "$dir/certificates" && certificate example.org && certificate example.net)
cat >"$conf" <<CONF
# Written by ./dev run at every start.
store = "$dir/store"
hostname = "imap.example.org"
certificates = "$dir/certificates"
listen { protocol = "imap"  address = "127.0.0.1" port = 1143 }
listen { protocol = "imaps" address = "127.0.0.1" port = 1993 }
listen { protocol = "lmtp"  address = "127.0.0.1" port = 1024 }
listen { protocol = "lmtp"  path = "$dir/lmtp.sock" }
CONF
[ -s "$dir/password" ] || first_start

# The daemon takes the place of this script, so that signals and the exit code are its own; what it prints goes
# through a reader that shows the card once it is ready.
exec "$roost" serve -c "$conf" > >(
	trap '' INT
	while IFS= read -r line; do
		case $line in
		ready*) card ;;
		*) echo "$line" ;;
		esac
	done
)
