# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Which runtimes are here, for which users, and what they say of themselves.

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

# user_list RUNTIME: the named user, else everybody who has a Docker socket of their own. A plain file of
# that name is a reason to look only where the operator expects something to be found.
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
    get "r_named_$1"
    [ -S "$u_socket" ] || { [ "$GOT" = 1 ] && [ -e "$u_socket" ]; } || continue
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
    mention "hostnote unprivileged" "$GOT"
  done
}

# is_moment TEXT: whether it is one by RFC 3339. What calls itself the daemon's client may say anything.
is_moment() {
  q_zone=${1#[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]}
  case $q_zone in
    "$1") return 1 ;;
    *Z | *[+-][0-2][0-9]:[0-5][0-9]) ;;
    *) return 1 ;;
  esac
}

# tell_rest: what a daemon's one answer holds behind its version; see `RuntimeState.version`.
CLOCK=
tell_rest() {
  q_rest=${SAID#*|}
  q_running=${q_rest%%|*}
  q_rest=${q_rest#*|}
  q_paused=${q_rest%%|*}
  q_rest=${q_rest#*|}
  case $q_running$q_paused in *[!0-9]*) ;; *) say "running $((q_running + q_paused))" ;; esac
  case ${q_rest%%|*} in true) say 'live 1' ;; false) say 'live 0' ;; esac
  q_rest=${q_rest#*|}
  ! is_moment "${q_rest%%|*}" || CLOCK=${q_rest%%|*}
  mention verification "${q_rest#*|}"
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
    mention version "${SAID%%|*}"
    [ -z "$q_scope" ] || say 'daemon 1'
    case $SAID in
      *'|'*'|'*'|'*'|'*'|'*) tell_rest ;;
      *)
        get "r_verify_$1"
        [ -z "$GOT" ] || say "verification $(call 20 "$GOT" 2>/dev/null | hex)"
        ;;
    esac
    put "r_up_$1" yes
  else
    put "r_up_$1" no
    [ -z "$q_scope" ] || say 'daemon 0'
  fi
}

# tell_clock: as a daemon told it: it is the host's, and every process costs more than all the rest of a line.
tell_clock() {
  [ -n "$NESTED" ] || mention clock "${CLOCK:-$(date -u +%s)}"
}

# left_down RUNTIME: whether its daemon is down, and a restart by certkit is why.
left_down() {
  get "r_up_$1"
  [ "$GOT" = no ] || return 1
  get "r_name_$1"
  [ -f "$STATE/begun.$GOT" ]
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

same_files() {
  if has cmp; then cmp -s "$1" "$2"; else [ "$(od -v -tx1 <"$1")" = "$(od -v -tx1 <"$2")" ]; fi
}

# ours PATH: whether certkit wrote what stands there.
ours() {
  for o_shelf in record intent; do
    [ ! -f "$STATE/$o_shelf$1" ] || ! same_files "$STATE/$o_shelf$1" "$1" || return 0
  done
  return 1
}
