# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Phase one, told from the top: find the runtimes, compare, write, report.

tally() {
  get "f_action_$1"
  case $GOT in
    write) WRITES=$((WRITES + 1)) ;;
    foreign)
      # What is not certkit's stays, and is in the way of new files only.
      get "f_absent_$1"
      [ -n "$GOT" ] || FOREIGN=$((FOREIGN + 1))
      ;;
    same) unrecorded "$1" && WRITES=$((WRITES + 1)) ;;
  esac
  :
}

# owed FILE: a restart is, so a rollback may still want what was there.
owed() {
  get "f_runtime_$1"
  get "r_name_$GOT"
  [ -f "$STATE/due/$GOT" ]
}

# unrecorded FILE: it is as wanted, but there is no record yet that certkit answers for it; or it is
# gone, and there is one still.
unrecorded() {
  get "f_absent_$1"
  if [ -n "$GOT" ]; then
    get "f_real_$1"
    j_path=$GOT
    if [ -d "${j_path%/*}" ] && [ ! -L "${j_path%/*}" ] && [ -z "$(ls -A "${j_path%/*}")" ]; then return 0; fi
    kept "$j_path" && ! owed "$1"
    return
  fi
  get "f_real_$1"
  [ "$ALIKE" != recorded ] || return 1
  [ ! -f "$STATE/record$GOT" ] || ! same_files "$STATE/record$GOT" "$GOT"
}

count() {
  WRITES=0
  FOREIGN=0
  glance
  each_file examine
  each_file tally
}

# notes RUNTIME: what stands in the way of the files.
notes() {
  get "r_shadow_$1"
  IFS=$NL
  for y_path in $GOT; do
    expand "$y_path"
    [ -e "$GOT" ] || continue
    mention "note shadow" "$GOT"
  done
  get "r_hide_$1"
  for y_path in $GOT; do
    expand "$y_path"
    y_dir=$GOT
    set +f
    for y_near in "$y_dir"/*; do
      case $y_near in */ca.crt) continue ;; esac
      [ ! -e "$y_near" ] || mention "note hides" "$y_dir"
      break
    done
    set -f
  done
  IFS=' 	
'
}

# report FILE: what was found and done, and what lies beside it.
report() {
  get "f_runtime_$1"
  [ "$GOT" = "$REPORTED" ] || return 0
  get "f_real_$1"
  j_path=$GOT
  get "f_reason_$1"
  j_reason=${GOT:--}
  get "f_action_$1"
  case $GOT in write) GOT=would_change ;; esac
  mention "file $GOT $j_reason" "$j_path"
  get "f_previous_$1"
  [ -z "$GOT" ] || say "previous $GOT"
  get "f_absent_$1"
  if [ -n "$GOT" ]; then
    get "f_left_$1"
    [ -z "$GOT" ] || [ "$j_reason" = - ] || mention "note left_over" "$j_path"
    beside "$1"
    return
  fi
  set +f
  for j_near in "${j_path%/*}"/*.cert "${j_path%/*}"/*.key; do
    [ -e "$j_near" ] || continue
    case $j_near in
      *.cert) [ -e "${j_near%.cert}.key" ] || mention "note unpaired" "$j_near" ;;
      *) [ -e "${j_near%.key}.cert" ] || mention "note unpaired" "$j_near" ;;
    esac
  done
  set -f
}

# beside FILE: what stays in the directory of a file that goes.
beside() {
  get "f_action_$1"
  [ "$GOT" != foreign ] || mention "note left" "$j_path"
  set +f
  for j_near in "${j_path%/*}"/* "${j_path%/*}"/.[!.]*; do
    [ "$j_near" != "$j_path" ] || continue
    [ ! -e "$j_near" ] && [ ! -L "$j_near" ] || mention "note left" "$j_near"
  done
  set -f
}

# remember FILE: its bytes before they go, for the report.
remember() {
  get "f_state_$1"
  put "f_previous_$1" ''
  [ "$GOT" = file ] || return 0
  get "f_action_$1"
  case $GOT in write | foreign) ;; *) return 0 ;; esac
  get "f_real_$1"
  put "f_previous_$1" "$(hex <"$GOT")."
}

only_writes() {
  get "f_action_$1"
  [ "$GOT" != write ] || "$DO" "$1"
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

tell_files() {
  get "r_name_$REPORTED"
  say "of $GOT"
  t_due=$STATE/due/$GOT
  if left_down "$REPORTED"; then say due begun; elif [ -f "$t_due" ]; then say due; fi
  each_file report
  notes "$REPORTED"
  "${TELL:-:}"
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
  load
  whoami_here
  clock
  if [ -n "$NESTED" ]; then say "nested $NESTED"; else say "start $ME_UID $EPOCH"; fi
  find_runtimes
  drop_foreign_runtimes
  left_overs
  count
  if [ "$O_CHECK" = 0 ] && [ "$WRITES" -gt 0 ] && [ "$FOREIGN" = 0 ]; then
    lock "$O_WAIT"
    count
  fi
  each_file remember
  each_runtime tell
  if [ "$O_CHECK" = 0 ] && [ "$WRITES" -gt 0 ] && [ "$FOREIGN" = 0 ]; then
    sweep
    LATER=yes
    DO=stage
    each_file only_writes
    DO=back_up
    each_file only_writes
    DO=due
    each_file only_writes
    commit
    LATER=
    each_file adopt
  fi
  each_runtime tell_files
  unlock
  [ "$O_CHECK" = 1 ] || each_runtime seen_up
  IFS=$NL
  for main_user in $USERS; do
    IFS=' 	
'
    nest "$main_user"
  done
  finish 0
}

main
