# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Phase one: compare, and where it differs: stage everything, back up, then rename.
#
# Below the state directory, under each file's own path:
#   record/   what certkit last put there; a file equal to it is certkit's own
#   intent/   what it is about to put there: equal to that is its own too, if a run was killed
#   former/   the record before the last change; comes back with a rollback
#   previous/ the file before the last change, for a rollback; absent/ says there was none
#   due/NAME  this runtime's daemon has not been restarted since its files changed
#   begun.NAME  its restart was begun, and it has not been seen running since
# and beside them `made`: the directories that certkit made above the files.

# each_write FUNCTION: for the files that are to be written, or to go.
each_write() {
  w_n=0
  while [ "$w_n" -lt "$F" ]; do
    w_n=$((w_n + 1))
    get "f_action_$w_n"
    [ "$GOT" != write ] || "$1" "$w_n"
  done
}

# stage_all: every file beside its place, complete and on disk, under a name no client reads.
TEMPS=
stage_all() {
  make_directories
  each_write stage
  [ -n "$TEMPS" ] || return 0
  IFS=$NL
  # shellcheck disable=SC2086 # split at newlines only, and globbing is off
  set -- $TEMPS
  IFS=' 	
'
  LISTED=$(ls -ldn "$@" 2>/dev/null)
  each_write finish_staged
}

# stage FILE: write it; `finish_staged` does the rest.
stage() {
  get "f_real_$1"
  s_path=$GOT
  # What root may not write (chattr +i) cannot be renamed over or removed: known before the first of several is.
  if [ "$ME_UID" = 0 ] && [ -e "$s_path" ] && [ ! -w "$s_path" ]; then
    s_said=$( (: >>"$s_path") 2>&1) || fail_io "$s_path" "$s_said"
  fi
  get "f_absent_$1"
  [ -z "$GOT" ] || return 0
  s_temp=${s_path%/*}/.certkit-$N-$1
  add TEMPS "$s_temp"
  s_failed=
  # What is for everybody's eyes gets its mode at once; all else is nobody's until it has it.
  get "f_mode_$1"
  [ "$GOT" = 0644 ] || umask 077
  get "f_content_$1"
  get "blob_$GOT"
  # Nobody else's file of that name is written to.
  set -C
  if ! { printf '%s' "$GOT" >"$s_temp"; } 2>/dev/null; then
    # As in `write_out`.
    rm -f "$s_temp"
    s_said=$( (printf '%s' "$GOT" | cat >"$s_temp") 2>&1) || s_failed=yes
  fi
  set +C
  umask 022
  [ -z "$s_failed" ] || fail_io "$s_path" "$s_said"
  relabel "$s_temp" "$s_path"
}

# finish_staged FILE: what was staged is all there, and gets the owner and the mode that it lacks.
finish_staged() {
  get "f_absent_$1"
  [ -z "$GOT" ] || return 0
  get "f_real_$1"
  s_path=$GOT
  s_temp=${s_path%/*}/.certkit-$N-$1
  get "f_content_$1"
  get "blob_$GOT"
  s_size=${#GOT}
  line_of "$s_temp"
  # shellcheck disable=SC2086 # split on purpose; the path comes last
  set -- "$1" $GOT
  [ "${6-}" = "$s_size" ] || fail disk_full "$s_path" 'what was written is not all there'
  get "f_ids_$1"
  case $GOT in
    '' | "${4-}:${5-}") ;;
    *) attempt chown "$GOT" "$s_temp" || fail_io "$s_path" "$REFUSAL" ;;
  esac
  get "f_perm_$1"
  case ${2-} in
    "$GOT"*) ;;
    *)
      get "f_mode_$1"
      attempt chmod "$GOT" "$s_temp" || fail_io "$s_path" "$REFUSAL"
      ;;
  esac
  durable "$s_temp"
}

# above FILE: adds to ABOVE the directories that are missing above it.
above() {
  get "f_absent_$1"
  [ -z "$GOT" ] || return 0
  get "f_real_$1"
  m_part=${GOT%/*}
  m_missing=
  while [ -n "$m_part" ] && [ ! -d "$m_part" ]; do
    case $NL$ABOVE$NL in *"$NL$m_part$NL"*) ;; *) m_missing=$m_part${m_missing:+$NL$m_missing} ;; esac
    m_part=${m_part%/*}
  done
  [ -z "$m_missing" ] || add ABOVE "$m_missing"
}

# make_directories: those above the files, and of the state directory's those in SHELVES, which nobody else can see.
# The former are remembered, so that a failure leaves no empty one: clients would read it in place of one further
# down their list.
SHELVES=
make_directories() {
  ABOVE=
  each_write above
  [ -n "$ABOVE$SHELVES" ] || return 0
  IFS=$NL
  # shellcheck disable=SC2086 # split at newlines only, and globbing is off
  set -- $ABOVE $SHELVES
  m_failed=
  # shellcheck disable=SC2174 # each that is missing is named
  attempt mkdir -p -m 755 "$@" || m_failed=yes
  for m_part in $ABOVE; do
    [ -d "$m_part" ] || continue
    MADE=$m_part${MADE:+$NL$MADE}
    relabel "$m_part" "$m_part"
    durable "${m_part%/*}/"
  done
  IFS=' 	
'
  [ -n "$m_failed" ] || return 0
  for m_part; do
    [ -d "$m_part" ] || break
  done
  fail_io "$m_part" "$REFUSAL"
}

# relabel FILE AS: the SELinux label that AS should have, where SELinux is on.
relabel() {
  [ "${SELINUX-}" != no ] || return 0
  if [ -z "${SELINUX-}" ]; then
    SELINUX=no
    ! selinuxenabled 2>/dev/null || SELINUX=yes
    [ "$SELINUX" = yes ] || return 0
  fi
  r_label=$(matchpathcon -n "$2" 2>/dev/null) && chcon "$r_label" "$1" 2>/dev/null && return 0
  restorecon "$1" 2>/dev/null
  :
}

# discard: of the directories, those that hold a file by now are kept by that.
discard() {
  IFS=$NL
  for x_path in $TEMPS; do rm -f "$x_path"; done
  for x_path in ${MADE-}; do rmdir "$x_path" 2>/dev/null; done
  IFS=' 	
'
}

# back_up FILE: shelve what stands there. While a restart is due, the shelf already holds what the
# daemon last ran on, and that is what a rollback wants.
back_up() {
  get "f_real_$1"
  b_path=$GOT
  get "f_runtime_$1"
  get "r_name_$GOT"
  if ! [ -f "$STATE/due/$GOT" ] || ! { [ -f "$STATE/previous$b_path" ] || [ -f "$STATE/absent$b_path" ]; }; then
    get "f_state_$1"
    if [ "$GOT" = none ]; then
      write_out "$STATE/absent$b_path" ''
      durable "$STATE/absent$b_path"
      gone "$STATE/previous$b_path"
    else
      shelve "$b_path" "$STATE/previous$b_path"
      gone "$STATE/absent$b_path"
    fi
    gone "$STATE/former$b_path"
    [ ! -f "$STATE/record$b_path" ] || shelve "$STATE/record$b_path" "$STATE/former$b_path"
  fi
  get "f_absent_$1"
  [ -z "$GOT" ] || return 0
  # The staged file is the intent. One that a killed run has left may be all that tells whose the file in
  # place is, and is never half there.
  if [ -e "$STATE/intent$b_path" ]; then
    shelve "${b_path%/*}/.certkit-$N-$1" "$STATE/intent$b_path"
    return
  fi
  # Where there is neither a file nor a record, nothing can be mistaken while the record is written.
  b_shelf=intent
  get "f_state_$1"
  [ "$GOT" != none ] || [ -e "$STATE/record$b_path" ] || b_shelf=record
  get "f_content_$1"
  get "blob_$GOT"
  write_out "$STATE/$b_shelf$b_path" "$GOT"
  durable "$STATE/$b_shelf$b_path"
}

gone() { [ ! -e "$1" ] || rm -f "$1"; }

# sweep: what a killed run staged and could not rename. Under the lock, so nobody else's.
sweep() {
  z_n=0
  while [ "$z_n" -lt "$F" ]; do
    z_n=$((z_n + 1))
    get "f_action_$z_n"
    [ "$GOT" != skip ] || continue
    get "f_real_$z_n"
    set +f
    set -- "${GOT%/*}"/.certkit-*
    set -f
    [ ! -e "$1" ] && [ ! -L "$1" ] || rm -f "$@"
  done
}

# commit: from here to the end the run finishes even if its operator's link is cut.
commit() {
  trap '' HUP PIPE TERM INT
  # For a removal, years later: without it, it leaves a directory more, and no harm is done.
  [ -z "${MADE-}" ] || { printf '%s\n' "$MADE" >>"$STATE/made"; } 2>/dev/null
  to_disk
  t_n=0
  while [ "$t_n" -lt "$F" ]; do
    t_n=$((t_n + 1))
    get "f_action_$t_n"
    [ "$GOT" = write ] || continue
    get "f_real_$t_n"
    t_path=$GOT
    get "f_absent_$t_n"
    if [ -n "$GOT" ]; then
      attempt rm -f "$t_path" || fail_io "$t_path" "$REFUSAL"
    else
      attempt mv -f "${t_path%/*}/.certkit-$N-$t_n" "$t_path" || fail_io "$t_path" "$REFUSAL"
    fi
    durable "${t_path%/*}"
    put "f_action_$t_n" moved
  done
  to_disk
  # The records last: without its record a file would be somebody else's for ever.
  t_n=0
  while [ "$t_n" -lt "$F" ]; do
    t_n=$((t_n + 1))
    get "f_action_$t_n"
    [ "$GOT" = moved ] || continue
    put "f_action_$t_n" changed
    get "f_real_$t_n"
    t_path=$GOT
    get "f_absent_$t_n"
    if [ -n "$GOT" ]; then
      rm -f "$STATE/record$t_path" "$STATE/intent$t_path"
    elif [ -e "$STATE/intent$t_path" ]; then
      mv -f "$STATE/intent$t_path" "$STATE/record$t_path"
    fi
  done
}
