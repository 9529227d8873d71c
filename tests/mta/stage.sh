#!/usr/bin/env bash
# Debian's Postfix, Exim or Cyrus, run without being installed:  stage.sh fetch postfix|exim|cyrus DIR | run postfix|exim|cyrus DIR
# fetch gets the packages (apt-get, as root) and unpacks them into DIR/root; run starts the mail server in the foreground, in
# namespaces of its own that see them in their places, with the configuration in DIR/etc and users of its own, and that end
# with this process, by SIGKILL too.  Such packages exclude each other, and Dovecot's, and a test is to leave the machine as it was.
set -euo pipefail
die() { echo "stage.sh: $*" >&2; exit 1; }
verb=${1:?fetch or run} which=${2:?postfix, exim or cyrus} dir=$(realpath -m "${3:?DIR}")
case $which in
postfix) package=postfix ;;
exim) package=exim4-daemon-light ;;
cyrus) package=cyrus-imapd ;;
*) die "postfix, exim or cyrus" ;;
esac
case $verb in
fetch)
	mkdir -p "$dir/root" "$dir/archives/partial"
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
		-o Dir::Cache::archives="$dir/archives" -y -q --download-only --no-install-recommends install $package \
		>"$dir/apt.log" 2>&1 || { tail -3 "$dir/apt.log" >&2; die "$package cannot be fetched"; }
	for deb in "$dir"/archives/*.deb; do dpkg -x "$deb" "$dir/root"; done
	[ -d "$dir/root/usr" ] || die "$package is installed on this machine, and cannot be staged"
	;;
run)
	# Users as the packages would make them; everything else of /etc shows through.
	mkdir -p "$dir/etc" "$dir/spool/postfix" "$dir/lib/postfix" "$dir/lib/exim4" "$dir/spool/cyrus" "$dir/lib/cyrus"
	grep -v '^cyrus:' /etc/passwd >"$dir/etc/passwd"
	cp /etc/group "$dir/etc/"
	for user in postfix:64101 Debian-exim:64103 cyrus:64104; do
		echo "${user%:*}:x:${user#*:}:${user#*:}::/nonexistent:/usr/sbin/nologin" >>"$dir/etc/passwd"
		echo "${user%:*}:x:${user#*:}:" >>"$dir/etc/group"
	done
	echo 'postdrop:x:64102:' >>"$dir/etc/group"
	chown 64101 "$dir/lib/postfix"
	mkdir -p "$dir/spool/exim"
	chown 64103:64103 "$dir/spool/exim" "$dir"
	chown 64104:64104 "$dir/spool/cyrus" "$dir/lib/cyrus"
	# shellcheck disable=SC2016
	exec unshare --mount --pid --fork --kill-child bash -c '
		set -e
		dir=$1 which=$2
		mount --make-rprivate /
		mount -t proc proc /proc
		mount -t overlay overlay -o "lowerdir=$dir/root/usr:/usr" /usr
		mount -t overlay overlay -o "lowerdir=$dir/etc:$dir/root/etc:/etc" /etc
		mount --bind "$dir/spool" /var/spool
		mount --bind "$dir/lib" /var/lib
		# This shell stays the first process of the namespace: what is set-user-ID would outlive whoever started it.
		case $which in
		postfix) postfix start-fg & ;;
		exim) exim4 -bdf -q1s & ;;
		cyrus)
			/usr/lib/cyrus/bin/makedirs >/dev/null
			/usr/lib/cyrus/bin/master -D -C /etc/imapd.conf -M /etc/cyrus.conf &
			;;
		esac
		wait
	' stage "$dir" "$which"
	;;
*) die "fetch or run" ;;
esac
