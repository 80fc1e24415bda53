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

# say LINE: in few packets, since each of them wakes the operator's machine. Only the first line goes at once: where
# none arrives, nothing was done.
OUT=
TOLD=
say() {
  OUT=$OUT$N" $*$NL"
  if [ -z "$TOLD" ] || [ "${#OUT}" -gt 8000 ]; then tell_now; fi
}

tell_now() {
  printf '%s' "$OUT"
  OUT=
  TOLD=yes
}

# data: what follows the program, without the end marker, for another process; see `load`. By sed, because dash takes time quadratic in
# the length for ${P#*mark}: some 0.7 s of a host's CPU for each phase.
data() { printf '%s\n' "$P" | sed -e "1,/^data-$N\$/d" -e '$d'; }

# hex: stdin as hex digits, at most 64 KiB of it.
hex() { od -An -v -tx1 -N 65536 | tr -d ' \t\n'; }

# word TEXT: sets WORD to how a text travels: as it stands behind = where it is one printable word, else
# as hex before a dot. Every process costs more than all the rest of what is done for a line.
word() {
  case $1 in
    '' | *[!!-~]*) WORD=$(printf '%s' "$1" | hex). ;;
    *) WORD="=$1" ;;
  esac
}

# mention LINE TEXT: a line that ends in a text.
mention() {
  word "$2"
  say "$1 $WORD"
}

put() { eval "$1=\$2"; }
get() { eval "GOT=\${$1-}"; }
add() { eval "$1=\${$1:+\$$1\$NL}\$2"; }

# finish: the last line proves that the answer is whole.
finish() {
  unlock
  say "end ${NESTED:+nested }$1"
  tell_now
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

# One of many programs in one file may be a busybox with the old syntax, so only a file of its own is
# taken unseen.
G_TIMEOUT=
# shellcheck disable=SC3013 # not in POSIX, and in dash, bash and busybox alike
if [ -x /usr/bin/timeout ] && ! [ -L /usr/bin/timeout ] && ! [ /usr/bin/timeout -ef /bin/busybox ]; then
  G_TIMEOUT=/usr/bin/timeout
fi

# guard SECONDS COMMAND...: bounded, with nothing on stdin. Without a usable `timeout` (old busybox
# has another syntax) a watchdog in the shell does it. Exits 124 when time was up. INSTEAD=exec, for a
# subshell that has nothing else to do: a fork less, and only success and failure are told apart.
guard() {
  g_limit=$1
  shift
  if [ -z "$G_TIMEOUT" ]; then
    G_TIMEOUT=no
    timeout -k 1 5 true </dev/null >/dev/null 2>&1 && G_TIMEOUT=timeout
  fi
  if [ "$G_TIMEOUT" != no ]; then
    ${INSTEAD-} "$G_TIMEOUT" -k 5 "$g_limit" "$@" </dev/null 9>&-
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
  # Not TERM: what a run must not be ended by, its children ignore.
  kill -KILL "$g_dog" 2>/dev/null
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
  ME_UID=
  ME_GID=
  # Where login and kernel agree on root, `id` has nothing to add, and a process costs more than all of this.
  while read -r w_key _ w_id _; do
    case $w_key in
      Uid:) ME_UID=$w_id ;;
      Gid:) ME_GID=$w_id && break ;;
    esac
  done 2>/dev/null </proc/self/status
  ME=root
  [ "${LOGNAME-}$ME_UID" = root0 ] && [ -n "$ME_GID" ] || name_of_me
  PW_HOME=
  # Root stands first in there as good as always.
  [ "$ME_UID" != 0 ] || IFS=: read -r _ _ w_id _ _ PW_HOME _ 2>/dev/null </etc/passwd
  if [ -z "$PW_HOME" ] || [ "$w_id" != 0 ]; then
    [ -n "$ME" ] && passwd_of "$ME" || PW_HOME=
  fi
  HOME=${PW_HOME:-${HOME-}}
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

# name_of_me: uid=0(root) gid=0(root) ...; a nameless user has no parentheses.
name_of_me() {
  w_id=$(id)
  ME_GID=${w_id#* gid=}
  ME_GID=${ME_GID%%[!0-9]*}
  w_id=${w_id#uid=}
  ME_UID=${w_id%%[!0-9]*}
  w_id=${w_id#"$ME_UID"}
  ME=
  case $w_id in "("*) ME=${w_id#?} ME=${ME%%)*} ;; esac
}

# as_owner: from here on, commands of a per-user runtime find that user's daemon.
as_owner() {
  XDG_RUNTIME_DIR=$RUN
  DBUS_SESSION_BUS_ADDRESS=unix:path=$RUN/bus
  DOCKER_HOST=unix://$RUN/docker.sock
  export XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS DOCKER_HOST
}

# one_runtime: what a phase for one runtime begins with; sets NAME and WHO. A user's runtime is seen to as that
# user: for root, this run ends here.
one_runtime() {
  load
  whoami_here
  get r_name_1
  NAME=$GOT
  get r_user_1
  WHO=$GOT
  get r_peruser_1
  [ "$GOT" = 1 ] || return 0
  if [ "$ME_UID" = 0 ]; then
    passwd_of "${WHO:--}" || fail no_user "$WHO"
    nest "$WHO"
    finish 0
  fi
  [ "$WHO" = "$ME" ] || fail not_user "$WHO"
  as_owner
}

# nest USER: run this same program as USER. Root never writes in a directory that somebody else
# could swap for a symlink.
nest() {
  # shellcheck disable=SC2016 # evaluated by the inner shell
  set -- "$1" sh -c 'N=$1; P=$(cat); P=${P#*begin-$N}; case $P in *end-$N) eval "${P%data-$N*}";; *) exit 97;; esac' sh "$N"
  n_user=$1
  shift
  say "nesting $n_user"
  tell_now
  if has runuser; then
    set -- runuser -u "$n_user" -- "$@"
  elif passwd_of "$n_user" && setpriv --reuid="$PW_UID" --regid="$PW_GID" --init-groups true 2>/dev/null; then
    set -- setpriv --reuid="$PW_UID" --regid="$PW_GID" --init-groups "$@"
  else
    # shellcheck disable=SC2016
    set -- su -s /bin/sh -c 'exec "$@"' "$n_user" -- sh "$@"
  fi
  {
    printf '%s\n' "begin-$N${P%"data-$N"*}data-$N" "nested $n_user"
    data
    printf '%s\n' "end-$N"
  } | (cd / && "$@") 9>&-
}

unlock() {
  case ${LOCKED-} in
    flock)
      { printf '' >"$STATE/lock"; } 2>/dev/null
      exec 9>&-
      ;;
    symlink) rm -f "$STATE/lock.link" ;;
  esac
  LOCKED=
}
