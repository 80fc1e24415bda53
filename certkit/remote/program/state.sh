# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# The state directory, which is a host's memory: its lock, and how things get there and on disk.

# attempt COMMAND...: sets REFUSAL where it fails, and for that tries again: to hear what a command says this shell has
# to be copied, which costs as much as half the command.
attempt() {
  "$@" 2>/dev/null || REFUSAL=$("$@" 2>&1)
}

# state_ready: make the state directory, private to its owner. Who could write there would choose what a
# rollback installs, and what passes for certkit's own; a closed door now does not undo that.
state_ready() {
  [ ! -L "$STATE" ] || fail state "$STATE" 'a symlink'
  if [ ! -d "$STATE" ]; then
    umask 077
    # By name, because a default ACL above it would undo a umask.
    # shellcheck disable=SC2174 # those above it are for the umask
    attempt mkdir -p -m 700 "$STATE" || fail_io "$STATE" "$REFUSAL"
    umask 022
    # shellcheck disable=SC3067 # see below
    [ ! -O "$STATE" ] || return 0
  fi
  s_text=$(ls -ldn "$STATE" 2>/dev/null)
  # shellcheck disable=SC2086 # split on purpose; the path comes last
  set -- $s_text
  # shellcheck disable=SC3067 # not in POSIX, and in dash, bash and busybox alike
  [ -O "$STATE" ] || fail state "$STATE" "owned by user ${3-}"
  case ${1-} in
    drwx------*) ;;
    ?????w* | ????????w*) fail state "$STATE" 'writable by others' ;;
    *) attempt chmod 700 "$STATE" || fail_io "$STATE" "$REFUSAL" ;;
  esac
}

# lock SECONDS: one run at a time on a host. flock where there is one, since the kernel drops it with
# its holder; else a symlink, which is made together with its content in one step.
lock() {
  state_ready
  l_left=$1
  l_who=${O_OPERATOR:-${SUDO_USER:-$ME}}
  if has flock; then
    write_out "$STATE/lock" '' -a
    exec 9>>"$STATE/lock"
    until flock -n 9; do
      [ "$l_left" -gt 0 ] || locked "$(cat "$STATE/lock" 2>/dev/null)"
      l_left=$((l_left - 1))
      sleep 1
    done
    LOCKED=flock
    write_out "$STATE/lock" "$l_who$NL"
    return 0
  fi
  IFS= read -r l_boot 2>/dev/null </proc/sys/kernel/random/boot_id || l_boot=
  l_who="$l_who since $(stamp)"
  # Some phases run in a subshell, where $$ is its parent.
  l_pid=$(exec sh -c 'echo "$PPID"')
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

# locked HOLDER: whose writing of the file also tells since when; nobody else writes there.
locked() {
  l_since=$(stamp -r "$STATE/lock" 2>/dev/null) || l_since=
  fail locked "$STATE/lock" "$1${1:+${l_since:+ since $l_since}}"
}

# stamp [-r FILE]: now, or when the file was written.
stamp() { date -u "$@" +%Y-%m-%dT%H:%M:%SZ; }

# durable PATH: on disk, not only in memory; by one process for all that was named since, where it is
# said to be LATER.
LATER=
TO_DISK=
durable() {
  TO_DISK=${TO_DISK:+$TO_DISK$NL}$1
  [ -n "$LATER" ] || to_disk
}

# to_disk: old `sync` takes no file and then syncs everything.
to_disk() {
  [ -n "$TO_DISK" ] || return 0
  IFS=$NL
  # shellcheck disable=SC2086 # split at newlines only, and globbing is off
  set -- $TO_DISK
  IFS=' 	
'
  TO_DISK=
  d_said=$(sync "$@" 2>&1) && return 0
  case $d_said in *'No space left'* | *'uota exceeded'* | *'nput/output error'*)
    fail_io "$1" "$d_said" ;;
  esac
  sync
}

# write_out PATH TEXT [-a]: write or append. What a builtin says of a full disk is not enough ("I/O error"
# in dash), so where it fails `cat` does it again and tells.
write_out() {
  if [ -n "${3-}" ]; then
    { printf '%s' "$2" >>"$1"; } 2>/dev/null && return 0
    w_said=$( (printf '%s' "$2" | cat >>"$1") 2>&1) || fail_io "$1" "$w_said"
  else
    { printf '%s' "$2" >"$1"; } 2>/dev/null && return 0
    w_said=$( (printf '%s' "$2" | cat >"$1") 2>&1) || fail_io "$1" "$w_said"
  fi
}

# shelve FROM TO: copy into the state directory, whole or not at all, mode and owner included.
shelve() {
  s_said=$({ umask 077 && mkdir -p "${2%/*}" && cp -p "$1" "$2.new" && mv -f "$2.new" "$2"; } 2>&1) || {
    rm -f "$2.new"
    fail_io "$2" "$s_said"
  }
  durable "$2"
}
