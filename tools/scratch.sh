#!/usr/bin/env bash
# A throw-away server for tests and benchmarks, in the foreground:
#   scratch.sh ROOST --dir DIR --imap PORT --imaps PORT --lmtp PORT [--users N] [--extra FILE]
# The store under DIR is made if missing and kept if there.  Users user1..userN@example.org have
# the password "pass" with a cheap hash; the plain port allows clear-text login.  FILE's lines join the configuration.
# What an interrupted first start left out is made up for by the next.
set -euo pipefail
die() { echo "scratch: $*" >&2; exit 2; }
roost=$(realpath "${1:?scratch.sh ROOST ...}")
shift
dir="" imap="" imaps="" lmtp="" users=100 extra=/dev/null
while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || die "$1 wants a value"
	case $1 in
	--dir) dir=$2 ;;
	--imap) imap=$2 ;;
	--imaps) imaps=$2 ;;
	--lmtp) lmtp=$2 ;;
	--users) users=$2 ;;
	--extra) extra=$2 ;;
	*) die "unknown option $1" ;;
	esac
	shift 2
done
[ -n "$dir" ] && [ -n "$imap" ] && [ -n "$imaps" ] && [ -n "$lmtp" ] ||
	die "--dir DIR --imap PORT --imaps PORT --lmtp PORT [--users N]"
mkdir -p "$dir"
dir=$(realpath "$dir")
mkdir -p "$dir/certificates"
exec 9>"$dir/lock" # stays open, and so locked, while the server runs: another start must not change its configuration
flock -w 5 9 || die "another server runs on $dir"
if [ ! -s "$dir/certificates/cert.pem" ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$dir/certificates/key.pem" -out "$dir/certificates/cert.pem" 2>/dev/null
fi
text() { # as the configuration has it, whatever is in it
	local in=${1//\\/\\\\}
	printf "'%s'" "${in//\'/\\\'}"
}
cat >"$dir/roost.conf" <<CONF
store = $(text "$dir/store")
hostname = "localhost"
certificates = $(text "$dir/certificates")
password_cost = 1
scram_iterations = 4096
login_delay_ms = 50
auth_queue_max = 100000
listen { protocol = "imap"  address = "127.0.0.1" port = $imap cleartext_login = true }
listen { protocol = "imaps" address = "127.0.0.1" port = $imaps }
listen { protocol = "lmtp"  address = "127.0.0.1" port = $lmtp }
CONF
cat "$extra" >>"$dir/roost.conf"
have=$(cat "$dir/users" 2>/dev/null || echo 0)
if [ "$have" -lt "$users" ]; then
	"$roost" domain list -c "$dir/roost.conf" | grep -qx example.org ||
		"$roost" domain add -c "$dir/roost.conf" example.org >/dev/null
	have=$("$roost" user list -c "$dir/roost.conf" example.org | sed -n 's/^user\([1-9][0-9]*\)@.*/\1/p' | sort -n | tail -1)
	have=${have:-0}
	if [ "$have" -lt "$users" ]; then
		# One user is added, all others have what is stored of its password, with a hash that costs next to nothing.
		first=user$((have + 1))@example.org
		"$roost" user add -c "$dir/roost.conf" --password-stdin "$first" <<<pass >/dev/null
		table=$("$roost" user export -c "$dir/roost.conf" example.org)
		hash=$(openssl passwd -1 pass)
		awk -F, -v OFS=, -v first="$first" -v from=$((have + 1)) -v to="$users" -v hash="$hash" '
			NR == 1
			$1 == first { for ($2 = hash; from <= to; from++) { $1 = "user" from "@example.org"; print } }' <<<"$table" |
			"$roost" user import -c "$dir/roost.conf" - >/dev/null
	fi
	echo "$users" >"$dir/users"
fi
exec "$roost" serve -c "$dir/roost.conf"
