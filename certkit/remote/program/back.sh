# shellcheck shell=sh disable=SC2034,SC2154 # the parts are joined before they run
# The way back of a deployment: what is kept for it, going it, and giving it up.
#
# In $STATE/registry/<path of the certificate>/:
#   record  the certificate that certkit last put there: while it stands, the pair is certkit's own
#   due     a deployment was begun and is not settled
#   old.1 old.2 before plan   for the way back: the pair, what was served, what was done; only while due

# keep: for the way back. While a deployment is due, what it kept is what was last known to be served;
# CUT=yes then.
keep() {
  CUT=
  if [ -f "$DUE" ]; then
    CUT=yes
    return
  fi
  # Of a deployment long since settled: nobody goes back to it, and its name is wanted.
  drop_container
  umask 077
  [ -d "$SHELF" ] || attempt mkdir -p "$SHELF" || fail_io "$SHELF" "$REFUSAL"
  umask 022
  forget_old
  for k_n in 1 2; do
    get "f_state_$k_n"
    [ "$GOT" = file ] || continue
    get "f_real_$k_n"
    shelve "$GOT" "$SHELF/old.$k_n"
  done
  umask 077
  write_out "$SHELF/before" "$SERVED$NL"
  write_out "$SHELF/plan" "$PLAN$NL"
  umask 022
  LATER=yes
  durable "$SHELF/before"
  durable "$SHELF/plan"
  LATER=
  to_disk
  write_out "$DUE" ''
  durable "$DUE"
}

# forget_old: the mark first: with it, what is missing here would be missing on the way back.
forget_old() {
  rm -f "$DUE" "$SHELF/old.1" "$SHELF/old.2" "$SHELF/old.1.new" "$SHELF/old.2.new" "$SHELF/before" "$SHELF/plan"
  durable "$SHELF"
}

# put_back: the pair as it was before; or none of it, where there is no room or the certificate cannot be replaced
# (p_failed=1). Where the key alone cannot, the next run has to (p_failed=2).
put_back() {
  p_failed=
  for p_n in 1 2; do
    get "f_path_$p_n"
    p_temp=${GOT%/*}/.certkit-$N-old$p_n
    [ ! -f "$SHELF/old.$p_n" ] || { cp -p "$SHELF/old.$p_n" "$p_temp" && relabel "$p_temp" "$GOT"; } || p_failed=1
  done 2>/dev/null
  for p_n in 1 2; do
    get "f_path_$p_n"
    p_temp=${GOT%/*}/.certkit-$N-old$p_n
    if [ -n "$p_failed" ]; then
      rm -f "$p_temp"
    elif [ -f "$SHELF/old.$p_n" ]; then
      mv -f "$p_temp" "$GOT" || {
        rm -f "$p_temp"
        alike "$SHELF/old.$p_n" "$GOT" || p_failed=$p_n
      }
    else
      rm -f "$GOT" || p_failed=$p_n
    fi
  done 2>/dev/null
  get f_path_1
  p_dir=${GOT%/*}
  get f_path_2
  sync "$p_dir" "${GOT%/*}" 2>/dev/null || sync
  [ -z "$p_failed" ]
}

# has_container NAME: 0 it is there, 1 it is not; 2 nobody knows, since the engine does not answer. Of one answer:
# an engine that comes back between two would lose a container. SAID is what it said.
has_container() {
  SAID=$(engine ps -a --filter "name=$1" --format '{{.Names}}' 2>&1) || return 2
  case $NL$SAID$NL in *"$NL$1$NL"*) ;; *) return 1 ;; esac
}

# rid CONTAINER: is it gone, or was it never there? With -f, not every engine fails where there is none.
rid() {
  r_said=$(engine rm -f "$1" 2>&1) && return
  has_container "$1"
  [ $? = 1 ]
}

# container_back PLAN: the container, as it was before that. Fails where it is not, or nobody can tell.
container_back() {
  [ "$S_WAY" = container ] || return 0
  if [ "$1" = create ]; then
    rid "$S_NAME" && rid "$S_NAME-certkit-old"
    return
  fi
  has_container "$S_NAME-certkit-old"
  case $? in
    0)
      engine rm -f "$S_NAME"
      engine rename "$S_NAME-certkit-old" "$S_NAME"
      ;;
    1) ;;
    *) return 1 ;;
  esac >/dev/null 2>&1
}

# go_back: put back, start again, and wait for what was served before. Sets WORD. What could not be put back
# is kept, for the next run.
go_back() {
  WORD=rolled_back
  b_before=$(cat "$SHELF/before" 2>/dev/null)
  b_plan=$(cat "$SHELF/plan" 2>/dev/null)
  b_old=
  [ "$OPENSSL" = no ] || [ ! -f "$SHELF/old.1" ] || b_old=$(fingerprint <"$SHELF/old.1")
  b_had=
  [ ! -f "$SHELF/old.1" ] || b_had=yes
  put_back
  b_kept=$p_failed
  # On half a pair nothing comes up; what runs does so on what it has read.
  if [ "$p_failed" != 2 ]; then
    container_back "$b_plan" || b_kept=yes
    start_again
  fi
  if [ -n "$b_kept" ]; then
    WORD=rollback_failed
    say 'restored no'
  else
    forget_old
    say 'restored yes'
  fi
}

# start_again: what was served before, and nothing where there was nothing.
start_again() {
  [ "$b_plan" != create ] && { [ -n "$b_had" ] || [ "${b_before:--}" != - ]; } || return
  PLAN=restart
  b_why=$WHY
  activate
  # What was not served before need not come up again.
  if [ "${b_before:--}" != - ] && [ "$S_WAY" != files ]; then
    until_served "$b_before" ${b_old:+"$b_old"} || WORD=rollback_failed
  fi
  WHY=$b_why
}

# old_stopped: the container that a new one stands in for. A daemon that starts, after a power cut, starts
# both of them, and the old one would hold the port.
old_stopped() {
  has_container "$S_NAME-certkit-old"
  case $? in
    0) engine stop "$S_NAME-certkit-old" ;;
    1) ;;
    *) told_nothing ;;
  esac
}

# told_nothing: to the log, why nothing was done.
told_nothing() {
  printf '%s\n' "$SAID"
  return 1
}

# stand_aside: for a new container. After a run that was cut, the one to go back to does already.
stand_aside() {
  has_container "$S_NAME-certkit-old"
  case $? in
    0) engine rm -f "$S_NAME" ;;
    1) engine rename "$S_NAME" "$S_NAME-certkit-old" ;;
    *) told_nothing ;;
  esac
}

# drop_container: the one to go back to, while the mark still tells that there is one.
drop_container() {
  [ "$S_WAY" != container ] || rid "$S_NAME-certkit-old" || fail stuck_container "$S_NAME-certkit-old" "$r_said"
}

settle() {
  get f_path_1
  shelve "$GOT" "$SHELF/record"
  drop_container
  forget_old
}

# settled: whether the record is all that is left of what was done before.
settled() {
  set +f
  set -- "$SHELF"/*
  set -f
  [ "$*" = "$SHELF/record" ]
}
