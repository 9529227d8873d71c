#!/usr/bin/env bash
# Roost beside Dovecot, the same work in one run:
#   run.sh ROOST BENCH [--quick] [--alone] [--messages N] [--rounds N] [--only ITEM]
#   run.sh ROOST BENCH --sync [--quick] [--alone]
#   run.sh ROOST BENCH --sort [--alone] [--sizes N,N...]
#   run.sh ROOST BENCH --search [--alone] [--sizes N,N...]
# --quick: 20,000 messages, 5 rounds (the default); --alone: no Dovecot.  --sync: pushes and catching up, by sync.py;
# --sort: SORT and THREAD, by sort.py; --search: SEARCH, by search.py, also beside Dovecot with fts-xapian where it is installed.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
roost=$(realpath "${1:?ROOST}") bench=$(realpath "${2:?BENCH}")
shift 2
alone="" sync="" sort="" search="" quick="" args=()
for a in "$@"; do
	case $a in
	--quick) quick=--quick ;;
	--sync) sync=1 ;;
	--sort) sort=1 ;;
	--search) search=1 ;;
	--alone) alone=1 ;;
	*) args+=("$a") ;;
	esac
done
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/roost-bench.XXXXXX")
chmod 755 "$dir"
pid=""
finish() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait "$pid" || true; }
	"$here/dovecot.sh" stop "$dir/dovecot" || true
	"$here/dovecot.sh" stop "$dir/dovecot-fts" || true
	rm -rf "$dir"
}
trap finish EXIT
port=$(free_port) lmtp=$(free_port)
"$here/../../tools/scratch.sh" "$roost" --dir "$dir/roost" --imap "$port" --imaps "$(free_port)" --lmtp "$lmtp" \
	--users 100 >"$dir/ready" 2>"$dir/roost.log" &
pid=$!
for _ in $(seq 200); do grep -qs ready "$dir/ready" && break; sleep 0.1; done
grep -q ready "$dir/ready" || { cat "$dir/roost.log" >&2; exit 1; }
servers=("roost:$port${sync:+:$lmtp:$pid}")
if [ -z "$alone" ]; then
	port=$(free_port) lmtp=$(free_port)
	"$here/dovecot.sh" start "$dir/dovecot" "$port" "" "${sync:+$lmtp}"
	servers+=("dovecot:$port${sync:+:$lmtp}")
fi
if [ "$sync" ]; then
	python3 "$here/sync.py" $quick "${servers[@]}"
elif [ "$search" ]; then
	servers[0]+=":$pid"
	if [ -z "$alone" ]; then
		servers[1]+=":$(cat "$dir/dovecot/run/master.pid")"
		if [ -e /usr/lib/dovecot/modules/lib21_fts_xapian_plugin.so ]; then
			port=$(free_port)
			"$here/dovecot.sh" start "$dir/dovecot-fts" "$port" 'sdbox:~/sdbox' '' xapian
			servers+=("dovecot-fts@10000:$port:$(cat "$dir/dovecot-fts/run/master.pid")") # 20 ms a message to index
		fi
	fi
	python3 "$here/search.py" --status "$roost index status -c $dir/roost/roost.conf --json" \
		"${args[@]}" "${servers[@]}"
elif [ "$sort" ]; then
	python3 "$here/sort.py" "${args[@]}" "${servers[@]}"
else
	"$bench" "${args[@]}" "${servers[@]}"
fi
