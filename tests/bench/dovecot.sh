#!/usr/bin/env bash
# Debian's Dovecot on loopback, to measure beside:  dovecot.sh start DIR IMAP_PORT [MAIL_LOCATION [LMTP_PORT [FTS]]] | stop DIR
# sdbox unless said otherwise, clear-text login, user1..user100@example.org with the password "pass"; LMTP if there is a port
# for it, a full-text index if FTS is "xapian" (dovecot-fts-xapian).  Everything is under DIR.
set -euo pipefail
die() { echo "dovecot.sh: $*" >&2; exit 1; }
verb=${1:?start or stop} dir=$(realpath -m "${2:?DIR}")
case $verb in
start)
	port=${3:?IMAP_PORT} location=${4:-'sdbox:~/sdbox'} lmtp=${5:-} fts=${6:-}
	command -v dovecot >/dev/null || die "apt-get install dovecot-imapd"
	[ -z "$lmtp" ] || [ -x /usr/lib/dovecot/lmtp ] || die "apt-get install dovecot-lmtpd"
	[ "$(id -u)" = 0 ] || die "Dovecot's processes change users: run this as root"
	mkdir -p "$dir/mail" "$dir/run" "$dir/state"
	chmod 755 "$dir"
	chown mail:mail "$dir/mail"
	for i in $(seq 100); do echo "user$i@example.org:{PLAIN}pass::::::"; done >"$dir/users"
	chmod 644 "$dir/users"
	cat >"$dir/dovecot.conf" <<-CONF
		base_dir = $dir/run
		state_dir = $dir/state
		log_path = $dir/dovecot.log
		listen = 127.0.0.1
		protocols = imap ${lmtp:+lmtp}
		ssl = no
		disable_plaintext_auth = no
		auth_mechanisms = plain
		auth_cache_size = 8M
		passdb {
		  driver = passwd-file
		  args = scheme=PLAIN username_format=%u $dir/users
		}
		userdb {
		  driver = static
		  args = uid=mail gid=mail home=$dir/mail/%n
		}
		first_valid_uid = 1
		mail_location = $location
		mail_max_userip_connections = 100000
		namespace inbox {
		  inbox = yes
		  separator = /
		}
		default_vsz_limit = 0
		default_client_limit = 20000
		service imap-login {
		  service_count = 0
		  process_min_avail = 2
		  inet_listener imap {
		    port = $port
		  }
		}
		service imap {
		  service_count = 256
		  process_limit = 10000
		}
	CONF
	[ -z "$lmtp" ] || cat >>"$dir/dovecot.conf" <<-CONF
		hostname = localhost
		postmaster_address = postmaster@example.org
		service lmtp {
		  process_min_avail = 2
		  inet_listener lmtp {
		    address = 127.0.0.1
		    port = $lmtp
		  }
		}
	CONF
	[ -z "$fts" ] || cat >>"$dir/dovecot.conf" <<-CONF
		mail_plugins = fts fts_$fts
		plugin {
		  fts = $fts
		  fts_autoindex = yes
		  fts_enforced = yes
		  fts_xapian = partial=3 full=20
		}
		service indexer-worker {
		  vsz_limit = 0
		}
	CONF
	dovecot -c "$dir/dovecot.conf"
	for _ in $(seq 100); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && exit 0
		sleep 0.1
	done
	die "no answer on port $port, see $dir/dovecot.log"
	;;
stop)
	[ -s "$dir/run/master.pid" ] || exit 0
	pid=$(cat "$dir/run/master.pid")
	kill "$pid" 2>/dev/null || exit 0
	for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done
	kill -9 "$pid"
	;;
*) die "start or stop" ;;
esac
