# shellcheck shell=sh
# Phase one, told from the top: find the runtimes, compare, write, report.

# find_runtimes: sets r_found_* and, for root, USERS: those whose own runtimes are to be looked at.
find_runtimes() {
  USERS=
  i_r=0
  while [ "$i_r" -lt "$R" ]; do
    i_r=$((i_r + 1))
    get "r_peruser_$i_r"
    if [ "$GOT" = 1 ]; then
      if [ "$ME_UID" = 0 ]; then
        user_list "$i_r"
        continue
      fi
      get "r_user_$i_r"
      if [ -n "$GOT" ] && [ "$GOT" != "$ME" ]; then
        [ -n "$NESTED" ] || fail not_user "$GOT"
        continue
      fi
    elif [ -n "$NESTED" ]; then
      continue
    fi
    get "r_detect_$i_r"
    IFS=$NL
    for i_sign in $GOT; do
      IFS=' 	
'
      i_value=${i_sign#* }
      case ${i_sign%% *} in
        command) has "$i_value" || continue ;;
        *)
          expand "$i_value"
          [ -e "$GOT" ] || continue
          ;;
      esac
      put "r_found_$i_r" yes
      break
    done
    IFS=' 	
'
    get "r_found_$i_r"
    i_found=$GOT
    get "r_named_$i_r"
    if [ "$GOT$i_found" = 1 ]; then
      get "r_name_$i_r"
      fail absent "$GOT"
    fi
  done
}

# user_list RUNTIME: the named user, else everybody who has a Docker socket of their own.
user_list() {
  get "r_user_$1"
  if [ -n "$GOT" ]; then
    passwd_of "$GOT" || fail no_user "$GOT"
    user_add "$GOT"
    return
  fi
  set +f
  for u_socket in /run/user/*/docker.sock; do
    set -f
    [ -e "$u_socket" ] || continue
    u_uid=${u_socket#/run/user/}
    u_uid=${u_uid%/docker.sock}
    case $u_uid in 0 | *[!0-9]*) continue ;; esac
    u_name=$(id -un "$u_uid" 2>/dev/null) || continue
    user_add "$u_name"
  done
  set -f
  get "r_named_$1"
  if [ "$GOT" = 1 ] && [ -z "$USERS" ]; then
    get "r_name_$1"
    fail absent "$GOT"
  fi
}

user_add() {
  case $NL$USERS$NL in *"$NL$1$NL"*) ;; *) USERS=${USERS:+$USERS$NL}$1 ;; esac
}

# each_file FUNCTION: for the files of the runtimes found.
each_file() {
  h_n=0
  while [ "$h_n" -lt "$F" ]; do
    h_n=$((h_n + 1))
    get "f_runtime_$h_n"
    get "r_found_$GOT"
    [ "$GOT" != yes ] || "$1" "$h_n"
  done
}

# A rootful runtime that nobody named is not a login user's business who has a runtime of their own.
drop_foreign_runtimes() {
  [ "$ME_UID" != 0 ] && [ -z "$NESTED" ] || return 0
  v_own=
  v_r=0
  while [ "$v_r" -lt "$R" ]; do
    v_r=$((v_r + 1))
    get "r_found_$v_r"
    [ "$GOT" = yes ] || continue
    get "r_peruser_$v_r"
    [ "$GOT" = 0 ] || v_own=yes
  done
  [ -n "$v_own" ] || return 0
  v_r=0
  while [ "$v_r" -lt "$R" ]; do
    v_r=$((v_r + 1))
    get "r_found_$v_r"
    v_found=$GOT
    get "r_peruser_$v_r"
    v_peruser=$GOT
    get "r_named_$v_r"
    [ "$v_found$v_peruser$GOT" = yes00 ] || continue
    put "r_found_$v_r" ''
    get "r_name_$v_r"
    say "hostnote unprivileged $(printf '%s' "$GOT" | hex)."
  done
}

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
  [ ! -f "$STATE/record$GOT" ] || ! same_files "$STATE/record$GOT" "$GOT"
}

count() {
  WRITES=0
  FOREIGN=0
  each_file examine
  each_file tally
}

# facts RUNTIME: what its daemon says of itself.
facts() {
  get "r_name_$1"
  q_name=$GOT
  get "r_peruser_$1"
  if [ "$GOT" = 1 ]; then
    as_owner
    say "runtime $q_name $ME"
  else
    say "runtime $q_name"
  fi
  get "r_scope_$1"
  q_scope=$GOT
  if answering "$1"; then
    say "version $SAID"
    [ -z "$q_scope" ] || say 'daemon 1'
    get "r_running_$1"
    if [ -n "$GOT" ] && q_text=$(call 20 "$GOT" 2>/dev/null); then
      say "running $(printf '%s' "$q_text" | grep -c .)"
    fi
    get "r_live_$1"
    if [ -n "$GOT" ] && q_text=$(call 20 "$GOT" 2>/dev/null); then
      case $q_text in *true*) say 'live 1' ;; *false*) say 'live 0' ;; esac
    fi
    get "r_verify_$1"
    [ -z "$GOT" ] || say "verification $(call 20 "$GOT" 2>/dev/null | hex)"
    put "r_up_$1" yes
  else
    put "r_up_$1" no
    [ -z "$q_scope" ] || say 'daemon 0'
  fi
}

# notes RUNTIME: what stands in the way of the files.
notes() {
  get "r_shadow_$1"
  IFS=$NL
  for y_path in $GOT; do
    expand "$y_path"
    [ ! -e "$GOT" ] || say "note shadow $(printf '%s' "$GOT" | hex)."
  done
  get "r_hide_$1"
  for y_path in $GOT; do
    expand "$y_path"
    y_dir=$GOT
    set +f
    for y_near in "$y_dir"/*; do
      case $y_near in */ca.crt) continue ;; esac
      [ ! -e "$y_near" ] || say "note hides $(printf '%s' "$y_dir" | hex)."
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
  say "file $GOT $j_reason $(printf '%s' "$j_path" | hex)."
  get "f_previous_$1"
  [ -z "$GOT" ] || say "previous $GOT"
  get "f_absent_$1"
  if [ -n "$GOT" ]; then
    beside "$1"
    return
  fi
  set +f
  for j_near in "${j_path%/*}"/*.cert "${j_path%/*}"/*.key; do
    [ -e "$j_near" ] || continue
    case $j_near in
      *.cert) [ -e "${j_near%.cert}.key" ] || say "note unpaired $(printf '%s' "$j_near" | hex)." ;;
      *) [ -e "${j_near%.key}.cert" ] || say "note unpaired $(printf '%s' "$j_near" | hex)." ;;
    esac
  done
  set -f
}

# beside FILE: what stays in the directory of a file that goes.
beside() {
  get "f_action_$1"
  [ "$GOT" != foreign ] || say "note left $(printf '%s' "$j_path" | hex)."
  set +f
  for j_near in "${j_path%/*}"/* "${j_path%/*}"/.[!.]*; do
    [ "$j_near" != "$j_path" ] || continue
    [ ! -e "$j_near" ] && [ ! -L "$j_near" ] || say "note left $(printf '%s' "$j_near" | hex)."
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

# due FILE: its daemon must be restarted, unless it is down and will read the files when it starts.
due() {
  get "f_reason_$1"
  case $GOT in content*) ;; *) return 0 ;; esac
  get "f_runtime_$1"
  d_r=$GOT
  get "r_scope_$d_r"
  [ -n "$GOT" ] && [ "$O_RESTARTS" = 1 ] || return 0
  get "r_up_$d_r"
  [ "$GOT" = yes ] || return 0
  get "r_name_$d_r"
  d_due=$STATE/due/$GOT
  get "f_real_$1"
  (umask 077 && mkdir -p "$STATE/due") 2>/dev/null
  # A list of paths; the same one twice does no harm.
  d_said=$( (printf '%s\n' "$GOT" | cat >>"$d_due") 2>&1) || fail_io "$d_due" "$d_said"
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

each_runtime() {
  REPORTED=0
  while [ "$REPORTED" -lt "$R" ]; do
    REPORTED=$((REPORTED + 1))
    get "r_found_$REPORTED"
    if [ "$GOT" != yes ]; then continue; fi
    "$1"
  done
}

tell() {
  facts "$REPORTED"
}

tell_files() {
  get "r_name_$REPORTED"
  say "of $GOT"
  [ ! -f "$STATE/due/$GOT" ] || say due
  each_file report
  notes "$REPORTED"
}

main() {
  load
  whoami_here
  if [ -n "$NESTED" ]; then say "nested $NESTED"; else say "start $ME_UID $(date -u +%s)"; fi
  find_runtimes
  drop_foreign_runtimes
  count
  if [ "$O_CHECK" = 0 ] && [ "$WRITES" -gt 0 ] && [ "$FOREIGN" = 0 ]; then
    lock "$O_WAIT"
    count
  fi
  each_file remember
  each_runtime tell
  if [ "$O_CHECK" = 0 ] && [ "$WRITES" -gt 0 ] && [ "$FOREIGN" = 0 ]; then
    sweep
    DO=stage
    each_file only_writes
    DO=back_up
    each_file only_writes
    DO=due
    each_file only_writes
    commit
    each_file adopt
  fi
  each_runtime tell_files
  unlock
  IFS=$NL
  for main_user in $USERS; do
    IFS=' 	
'
    nest "$main_user"
  done
  finish 0
}

data | main
