# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Phase one, the look: find the runtimes, compare, report. Most hosts are as they should be, so a run ends here where
# there is nothing to do; what it would take is parsed only afterwards.

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

# kept PATH: whether the state directory still speaks of a file.
kept() {
  for y_shelf in record intent former previous absent; do
    [ ! -e "$STATE/$y_shelf$1" ] || return 0
  done
  return 1
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

tell_files() {
  get "r_name_$REPORTED"
  say "of $GOT"
  t_due=$STATE/due/$GOT
  if left_down "$REPORTED"; then say due begun; elif [ -f "$t_due" ]; then say due; fi
  each_file report
  notes "$REPORTED"
  "${TELL:-:}"
}

# to_be_done: whether anything may be written, and is to be.
to_be_done() {
  [ "$O_CHECK" = 0 ] && [ "$WRITES" -gt 0 ] && [ "$FOREIGN" = 0 ]
}

# cut_restart: sets CUT_RESTART where a restart of the runtime was begun, and nobody has seen its end.
cut_restart() {
  get "r_name_$REPORTED"
  [ ! -f "$STATE/begun.$GOT" ] || CUT_RESTART=yes
}

tell_runtimes() {
  each_file remember
  each_runtime tell
  tell_clock
}

look() {
  all_runtimes
  count
  CUT_RESTART=
  [ "$O_CHECK" = 1 ] || each_runtime cut_restart
  if [ -n "$CUT_RESTART" ] || to_be_done; then return; fi
  tell_runtimes
  each_runtime tell_files
  conclude
}

look
