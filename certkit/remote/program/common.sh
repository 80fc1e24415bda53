# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Common to all phases. The boot text has set N (the nonce) and P (this program, a marker, the data)
# and evaluates only the program. Values arrive as lines and are never evaluated: `put` and `get`
# build variable names out of fixed words and counters, and pass the values by reference.
LC_ALL=C
export LC_ALL
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
export PATH
umask 022
set -u -f
unset CDPATH DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY
IFS=' 	
'
NL='
'
GOT=

say() { printf '%s %s\n' "$N" "$*"; }

# data: what follows the program, without the end marker. By sed, because dash takes time quadratic in
# the length for ${P#*mark}: some 0.7 s of a host's CPU for each phase.
data() { printf '%s\n' "$P" | sed -e "1,/^data-$N\$/d" -e '$d'; }

# hex: stdin as hex digits, at most 64 KiB of it.
hex() { od -An -v -tx1 -N 65536 | tr -d ' \t\n'; }

put() { eval "$1=\$2"; }
get() { eval "GOT=\${$1-}"; }
add() {
  get "$1"
  put "$1" "${GOT:+$GOT$NL}$2"
}

# finish: the last line proves that the answer is whole.
finish() {
  unlock
  say "end ${NESTED:+nested }$1"
  exit "$1"
}

# fail CODE SUBJECT [DETAIL]: report why, and stop.
fail() {
  say "error $1 $(printf '%s' "$2" | hex). $(printf '%s' "${3-}" | hex)."
  discard
  finish 1
}

# fail_io SUBJECT TEXT: the kind of a failure out of what a tool said about it, in the C locale.
fail_io() {
  case $2 in
    *'No space left'* | *'uota exceeded'*) fail disk_full "$1" "$2" ;;
    *'Read-only file system'*) fail read_only "$1" "$2" ;;
    *'ermission denied'* | *'not permitted'*) fail permission "$1" "$2" ;;
    *'Not a directory'* | *'Is a directory'* | *'File exists'*) fail conflict "$1" "$2" ;;
    *) fail internal "$1" "$2" ;;
  esac
}

# discard: undo what only this run made; a phase that stages files has its own.
discard() { :; }

# guard SECONDS COMMAND...: bounded, with nothing on stdin. Without a usable `timeout` (old busybox
# has another syntax) a watchdog in the shell does it. Exits 124 when time was up.
guard() {
  g_limit=$1
  shift
  if [ -z "${G_TIMEOUT-}" ]; then
    G_TIMEOUT=no
    timeout -k 1 5 true </dev/null >/dev/null 2>&1 && G_TIMEOUT=yes
  fi
  if [ "$G_TIMEOUT" = yes ]; then
    timeout -k 5 "$g_limit" "$@" </dev/null 9>&-
    g_status=$?
    # busybox's reports the signal it sent.
    case $g_status in 137 | 143) return 124 ;; *) return "$g_status" ;; esac
  fi
  "$@" </dev/null 9>&- &
  g_child=$!
  (
    g_left=$g_limit
    while [ "$g_left" -gt 0 ]; do
      sleep 1
      kill -0 "$g_child" || exit 0
      g_left=$((g_left - 1))
    done
    kill -TERM "$g_child"
    sleep 2
    kill -KILL "$g_child"
    exit 3
  ) </dev/null >/dev/null 2>&1 9>&- &
  g_dog=$!
  wait "$g_child" 2>/dev/null
  g_status=$?
  kill "$g_dog" 2>/dev/null
  wait "$g_dog" 2>/dev/null
  [ "$g_status" -lt 128 ] || g_status=124
  return "$g_status"
}

# call SECONDS LIST [ARGUMENT]: run a command whose words are the lines of LIST.
call() {
  c_limit=$1
  c_list=$2
  shift 2
  c_last=${1-}
  IFS=$NL
  # shellcheck disable=SC2086 # split at newlines only, and globbing is off
  set -- $c_list
  IFS=' 	
'
  [ -z "$c_last" ] || set -- "$@" "$c_last"
  [ $# -gt 0 ] || return 1
  guard "$c_limit" "$@"
}

has() { command -v "$1" >/dev/null 2>&1; }

# passwd_of USER: sets PW_UID, PW_GID, PW_HOME.
passwd_of() {
  PW_UID=
  PW_GID=
  PW_HOME=
  p_line=$(getent passwd "$1" 2>/dev/null) || p_line=
  if [ -z "$p_line" ] && [ -r /etc/passwd ]; then
    while IFS= read -r p_line; do
      case $p_line in "$1":*) break ;; esac
      p_line=
    done </etc/passwd
  fi
  [ -n "$p_line" ] || return 1
  IFS=:
  # shellcheck disable=SC2086 # split at colons only, and globbing is off
  set -- $p_line
  IFS=' 	
'
  PW_UID=${3-}
  PW_GID=${4-}
  PW_HOME=${6-}
}

# whoami_here: who runs this, where its home and its state are.
whoami_here() {
  ME_UID=$(id -u)
  ME_GID=$(id -g)
  ME=$(id -un 2>/dev/null) || ME=
  if [ -n "$ME" ] && passwd_of "$ME" && [ -n "$PW_HOME" ]; then HOME=$PW_HOME; fi
  HOME=${HOME:-/}
  export HOME
  if [ "$ME_UID" = 0 ]; then
    STATE=/var/lib/certkit
  else
    # Not $XDG_STATE_HOME of the login: root's run on behalf of this user must find the same place.
    STATE=$HOME/.local/state/certkit
  fi
  RUN=/run/user/$ME_UID
}

# as_owner: from here on, commands of a per-user runtime find that user's daemon.
as_owner() {
  XDG_RUNTIME_DIR=$RUN
  DBUS_SESSION_BUS_ADDRESS=unix:path=$RUN/bus
  DOCKER_HOST=unix://$RUN/docker.sock
  export XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS DOCKER_HOST
}

# nest USER: run this same program as USER. Root never writes in a directory that somebody else
# could swap for a symlink.
nest() {
  # shellcheck disable=SC2016 # evaluated by the inner shell
  set -- "$1" sh -c 'N=$1; P=$(cat); P=${P#*begin-$N}; case $P in *end-$N) eval "${P%%data-$N*}";; *) exit 97;; esac' sh "$N"
  n_user=$1
  shift
  say "nesting $n_user"
  if has runuser; then
    set -- runuser -u "$n_user" -- "$@"
  elif passwd_of "$n_user" && setpriv --reuid="$PW_UID" --regid="$PW_GID" --init-groups true 2>/dev/null; then
    set -- setpriv --reuid="$PW_UID" --regid="$PW_GID" --init-groups "$@"
  else
    # shellcheck disable=SC2016
    set -- su -s /bin/sh -c 'exec "$@"' "$n_user" -- sh "$@"
  fi
  {
    printf '%s\n' "begin-$N${P%%"data-$N"*}data-$N" "nested $n_user"
    data
    printf '%s\n' "end-$N"
  } | (cd / && "$@") 9>&-
}

# state_ready: make the state directory, private to its owner. Who could write there would choose what a
# rollback installs, and what passes for certkit's own; a closed door now does not undo that.
state_ready() {
  [ ! -L "$STATE" ] || fail state "$STATE" 'a symlink'
  s_said=$( (umask 077 && mkdir -p "$STATE") 2>&1) || fail_io "$STATE" "$s_said"
  s_text=$(ls -ldn "$STATE" 2>/dev/null)
  # shellcheck disable=SC2086 # split on purpose; the path comes last
  set -- $s_text
  # shellcheck disable=SC3067 # not in POSIX, and in dash, bash and busybox alike
  [ -O "$STATE" ] || fail state "$STATE" "owned by user ${3-}"
  case ${1-} in
    drwx------*) ;;
    ?????w* | ????????w*) fail state "$STATE" 'writable by others' ;;
    *) s_said=$(chmod 700 "$STATE" 2>&1) || fail_io "$STATE" "$s_said" ;;
  esac
}

# lock SECONDS: one run at a time on a host. flock where there is one, since the kernel drops it with
# its holder; else a symlink, which is made together with its content in one step.
lock() {
  state_ready
  l_left=$1
  l_boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
  # The program runs in a subshell, where $$ is its parent.
  l_pid=$(exec sh -c 'echo "$PPID"')
  l_who="${O_OPERATOR:-${SUDO_USER:-$ME}} since $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  if has flock; then
    l_said=$( (: >>"$STATE/lock") 2>&1) || fail_io "$STATE/lock" "$l_said"
    exec 9>>"$STATE/lock"
    until flock -n 9; do
      [ "$l_left" -gt 0 ] || fail locked "$STATE/lock" "$(cat "$STATE/lock.holder" 2>/dev/null)"
      l_left=$((l_left - 1))
      sleep 1
    done
    LOCKED=flock
    l_said=$( (printf '%s\n' "$l_who" | cat >"$STATE/lock.holder") 2>&1) ||
      fail_io "$STATE/lock.holder" "$l_said"
    return 0
  fi
  until l_said=$(ln -s "$l_pid $l_boot $l_who" "$STATE/lock.link" 2>&1); do
    l_held=$(readlink "$STATE/lock.link")
    if [ -z "$l_held" ]; then
      [ -L "$STATE/lock.link" ] || case $l_said in *'exists'*) ;; *) fail_io "$STATE" "$l_said" ;; esac
    else
      l_rest=${l_held#* }
      if [ "${l_rest%% *}" != "$l_boot" ] || ! [ -d "/proc/${l_held%% *}" ]; then
        # Its holder is gone. Whoever moves it away owns the removal; a fresh lock is put back.
        if mv "$STATE/lock.link" "$STATE/lock.stale.$N" 2>/dev/null; then
          l_moved=$(readlink "$STATE/lock.stale.$N")
          [ "$l_moved" = "$l_held" ] || ln -s "$l_moved" "$STATE/lock.link" 2>/dev/null
          rm -f "$STATE/lock.stale.$N"
        fi
        continue
      fi
    fi
    [ "$l_left" -gt 0 ] || fail locked "$STATE/lock.link" "${l_rest#* }"
    l_left=$((l_left - 1))
    sleep 1
  done
  LOCKED=symlink
}

unlock() {
  case ${LOCKED-} in
    flock)
      rm -f "$STATE/lock.holder"
      exec 9>&-
      ;;
    symlink) rm -f "$STATE/lock.link" ;;
  esac
  LOCKED=
}

# durable PATH: on disk, not only in memory. Old `sync` takes no file and then syncs everything.
durable() {
  d_said=$(sync "$1" 2>&1) && return 0
  case $d_said in *'No space left'* | *'uota exceeded'* | *'nput/output error'*)
    fail_io "$1" "$d_said" ;;
  esac
  sync
}

# shelve FROM TO: copy into the state directory, whole or not at all, mode and owner included.
shelve() {
  (umask 077 && mkdir -p "${2%/*}") 2>/dev/null
  s_said=$(cp -p "$1" "$2.new" 2>&1 && mv -f "$2.new" "$2" 2>&1) || {
    rm -f "$2.new"
    fail_io "$2" "$s_said"
  }
  durable "$2"
}
