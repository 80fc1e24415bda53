# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Phase one, where there is something to do: take the lock, look again, write, report.

# shelves_for FILE: adds to SHELVES what is missing of the directories for what is remembered of it.
shelves_for() {
  get "f_real_$1"
  for d_shelf in "/absent${GOT%/*}" "/intent${GOT%/*}" "/record${GOT%/*}" /due; do
    [ -d "$STATE$d_shelf" ] || add SHELVES "$STATE$d_shelf"
  done
}

# due FILE: its daemon must be restarted, unless it is down and will read the files when somebody starts it.
due() {
  get "f_reason_$1"
  case $GOT in content*) ;; *) return 0 ;; esac
  get "f_runtime_$1"
  d_r=$GOT
  get "r_scope_$d_r"
  [ -n "$GOT" ] && [ "$O_RESTARTS" = 1 ] || return 0
  get "r_up_$d_r"
  [ "$GOT" = yes ] || left_down "$d_r" || return 0
  get "r_name_$d_r"
  d_due=$STATE/due/$GOT
  get "f_real_$1"
  # A list of paths; the same one twice does no harm.
  write_out "$d_due" "$GOT$NL" -a
  durable "$d_due"
}

adopt() {
  get "f_absent_$1"
  if [ -n "$GOT" ]; then
    get "f_real_$1"
    j_path=$GOT
    get "f_action_$1"
    case $GOT in same | changed) ;; *) return 0 ;; esac
    tidy "$j_path"
    owed "$1" || forget "$j_path"
    return 0
  fi
  get "f_action_$1"
  [ "$GOT" = same ] && unrecorded "$1" || return 0
  get "f_real_$1"
  shelve "$GOT" "$STATE/record$GOT"
}

# seen_up: a daemon that runs again, whoever started it, was stopped by somebody else when it is found down later.
# A restart that is under way holds the lock, and keeps its mark.
seen_up() {
  get "r_up_$REPORTED"
  u_up=$GOT
  get "r_name_$REPORTED"
  u_mark=$STATE/begun.$GOT
  [ "$u_up" = yes ] && [ -f "$u_mark" ] || return 0
  (
    lock 0
    ! answering "$REPORTED" || rm -f "$u_mark"
    unlock
  ) >/dev/null 2>&1
}

main() {
  if to_be_done; then
    lock "$O_WAIT"
    count
  fi
  tell_runtimes
  if to_be_done; then
    sweep
    LATER=yes
    each_write shelves_for
    stage_all
    each_write back_up
    each_write due
    commit
    LATER=
    each_file adopt
  fi
  each_runtime tell_files
  unlock
  each_runtime seen_up
  conclude
}

main
