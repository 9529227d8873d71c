#!/usr/bin/env bash
# The README's two commands on a bare Debian 12: debootstrap's minbase in a folder, a fresh clone of HEAD and nothing
# else, as root and, with sudo, as a user.
#   bare.sh DIR [run|test|all] [USER]   as root; DIR is made if missing and its base system kept for the next time
set -euo pipefail
die() { echo "bare.sh: $*" >&2; exit 1; }
here=$(git -C "$(dirname "$(realpath "$0")")" rev-parse --show-toplevel)
dir=$(realpath -m "${1:?bare.sh DIR [run|test|all] [root|builder]}") what=${2:-run} users=${3:-root builder}
root=$dir/root
[ "$(id -u)" = 0 ] || die "run this as root: it makes a chroot"
command -v debootstrap >/dev/null || die "apt-get install debootstrap"
mirror=$(cat /etc/apt/sources.list.d/* $([ -e /etc/apt/sources.list ] && echo /etc/apt/sources.list) |
	sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) bookworm main.*/\2/p; s/^URIs: //p' | sed -n 1p)

unmount() { for m in proc dev sys; do umount -l "$root/$m" 2>/dev/null || true; done; }
inside() { # USER COMMAND
	chroot "$root" /usr/bin/env -i ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS=/etc/ssl/host.crt} HOME="/tmp/home-$1" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 su -s /bin/bash "$1" -c "cd /src-$1 && $2"
}

if [ ! -e "$root/base-is-complete" ]; then
	mkdir -p "$root"
	debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$dir/debootstrap.log" 2>&1 ||
		{ tail -5 "$dir/debootstrap.log"; die "debootstrap failed"; }
	touch "$root/base-is-complete"
fi
# The host's way to reach Debian's packages, and npm's, is the chroot's too.
rm -f "$root/etc/apt/sources.list"
cp -r /etc/apt/. "$root/etc/apt/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
[ -z "${NODE_EXTRA_CA_CERTS:-}" ] || install -D -m 644 "$NODE_EXTRA_CA_CERTS" "$root/etc/ssl/host.crt"
trap unmount EXIT
unmount # what a run that was killed left
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
mount -t sysfs sys "$root/sys"
chroot "$root" apt-get update -q >/dev/null
chroot "$root" apt-get install -y -q --no-install-recommends git sudo >/dev/null
chroot "$root" id builder >/dev/null 2>&1 || chroot "$root" useradd -m builder
echo 'builder ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/builder"

demo() { # USER: the card appears, its curl line lists the inbox, Ctrl-C ends with 0; a second start keeps all in 2 s
	local log=$dir/run-$1.log pid line from first=""
	for round in first second; do
		from=$SECONDS
		inside "$1" "exec ./dev run" >"$log" 2>&1 &
		pid=$!
		until grep -q 'List the inbox' "$log"; do
			kill -0 $pid 2>/dev/null || { cat "$log"; die "./dev run ended ($1)"; }
			[ $((SECONDS - from)) -lt 300 ] || { cat "$log"; die "./dev run showed no card ($1)"; }
			sleep 0.1
		done
		[ $round = first ] || [ $((SECONDS - from)) -le 2 ] || die "the second start took $((SECONDS - from)) s"
		line=$(sed -n 's/^ *\(curl .*\)/\1/p' "$log")
		inside "$1" "$line" 2>&1 | sed 's/ *\\Recent//' >"$dir/curl-$1.log" || { cat "$dir/curl-$1.log"; die "curl failed ($1)"; }
		grep -q ENVELOPE "$dir/curl-$1.log" || die "curl showed no inbox ($1)"
		[ -n "$first" ] || first=$(cat "$dir/curl-$1.log")
		[ "$first" = "$(cat "$dir/curl-$1.log")" ] || die "the second start shows another inbox ($1)"
		kill -INT "$(pgrep -f "^[^ ]*roost serve -c /src-$1/")"
		wait $pid || die "./dev run ended with $? ($1)"
	done
	echo "./dev run works as $1"
}

for user in $users; do
	rm -rf "$root/src-$user"
	git clone -q "$here" "$root/src-$user"
	mkdir -p "$root/tmp/home-$user"
	chroot "$root" chown -R "$user" "/src-$user" "/tmp/home-$user"
	case $what in run | all) demo "$user" ;; esac
	case $what in test | all)
		inside "$user" "./dev test" >"$dir/test-$user.log" 2>&1 || { tail -40 "$dir/test-$user.log"; die "./dev test failed ($user)"; }
		echo "./dev test works as $user"
		;;
	esac
done
