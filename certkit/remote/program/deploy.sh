# shellcheck shell=sh disable=SC2034,SC2154 # the parts are joined before they run
# Deploying: the pair placed as one, the registry made to take it up, and what it serves compared; where
# that is not the new one, the old pair comes back. `settle` ends it, `revert` undoes it, each on the
# operator's word.

# ours PATH: the pair is judged by its certificate, so that nothing of a key is kept for this.
ours() { [ "$PAIR" = ours ]; }

alike() {
  if has cmp; then cmp -s "$1" "$2"; else [ "$(od -v -tx1 <"$1")" = "$(od -v -tx1 <"$2")" ]; fi
}

judge_pair() {
  PAIR=foreign
  get f_path_1
  j_path=$GOT
  if [ -f "$DUE" ]; then
    PAIR=ours
    return
  fi
  [ -f "$j_path" ] || return 0
  if [ -f "$SHELF/record" ] && alike "$SHELF/record" "$j_path"; then PAIR=ours; fi
  get f_content_1
  for j_blob in $GOT $S_KNOWN; do
    get "blob_$j_blob"
    ! same_as "$j_path" || PAIR=ours
  done
}

# relabel FILE AS: with SELinux, the label of what is replaced; else one that a container may read.
relabel() {
  if [ -z "${SELINUX-}" ]; then
    SELINUX=no
    ! selinuxenabled 2>/dev/null || SELINUX=yes
  fi
  [ "$SELINUX" = yes ] || return 0
  if [ "$1" != "$2" ] && [ -e "$2" ] && chcon --reference="$2" "$1" 2>/dev/null; then return 0; fi
  case $S_WAY in
    container | existing | compose) ! chcon -t container_file_t "$1" 2>/dev/null || return 0 ;;
  esac
  r_label=$(matchpathcon -n "$2" 2>/dev/null) && chcon "$r_label" "$1" 2>/dev/null && return 0
  restorecon "$1" 2>/dev/null
  :
}

survey() {
  WRITES=0
  FOREIGN=0
  judge_pair
  for s_n in 1 2; do
    examine "$s_n"
    get "f_action_$s_n"
    case $GOT in
      write) WRITES=$((WRITES + 1)) ;;
      foreign) FOREIGN=$((FOREIGN + 1)) ;;
    esac
  done
}

tell_files() {
  for t_n in 1 2; do
    get "f_real_$t_n"
    t_path=$GOT
    get "f_reason_$t_n"
    t_reason=${GOT:--}
    get "f_action_$t_n"
    case $GOT in write) GOT=would_change ;; esac
    mention "file $GOT $t_reason" "$t_path"
  done
}

# look_at: the files, what is served, and so what is to be done.
look_at() {
  survey
  served
  say "before $SERVED"
  # Begun by a run that was cut, and carried through: nothing is left but to settle it.
  case $PLAN.$SERVED in
    restart."$S_WANT" | reload."$S_WANT") [ "$WRITES" != 0 ] || [ -n "$IDLE" ] || PLAN=none ;;
  esac
  say "plan $PLAN"
}

# needed: is there anything to do?
needed() {
  [ "$WRITES" = 0 ] && [ -z "$IDLE" ] && ! [ -f "$DUE" ] || return 0
  case $PLAN in
    none) return 1 ;;
    create | recreate) return 0 ;;
  esac
  [ "$OPENSSL" = yes ] && [ "$SERVED" != "$S_WANT" ]
}

# swap: the key first; until the registry is restarted, it goes on with what it has read. Nothing comes between
# the two, so that a power cut finds both or none as good as always.
swap() {
  trap '' HUP PIPE TERM INT
  MADE=
  LATER=yes
  for w_n in 2 1; do
    get "f_action_$w_n"
    [ "$GOT" = write ] || continue
    get "f_real_$w_n"
    w_path=$GOT
    attempt mv -f "${w_path%/*}/.certkit-$N-$w_n" "$w_path" || {
      w_said=$REFUSAL
      if ! put_back; then
        [ "$w_n" = 2 ] || fail half "$w_path" "$w_said"
      elif [ -z "$CUT" ]; then
        # What this run alone has begun ends here.
        forget_old
      fi
      fail_io "$w_path" "$w_said"
    }
    durable "${w_path%/*}"
    put "f_action_$w_n" changed
  done
  LATER=
  to_disk
}

result() {
  now
  say "result $1 $((NOW - STARTED)) ${WHY:--}"
  unlock
  finish 0
}

main() {
  # Where printf is a program of its own, the key would stand in its arguments.
  case $(command -v printf) in printf) ;; *) fail no_builtin printf ;; esac
  serve_load
  whoami_here
  say "start $ME_UID"
  get f_path_1
  SHELF=$STATE/registry$GOT
  DUE=$SHELF/due
  LOG=$STATE/registry.log
  WHY=
  m_word=unchanged
  now
  STARTED=$NOW
  acquaint
  if [ "$S_DO" != deploy ]; then
    lock "$O_WAIT"
    (: >"$LOG") 2>/dev/null || LOG=/dev/null
    trap '' HUP PIPE TERM INT
    if [ "$S_DO" = settle ]; then
      # Another run may have put another one there since.
      get f_path_1
      [ -f "$GOT" ] || result none
      m_print=
      [ "$OPENSSL" = no ] || m_print=$(fingerprint <"$GOT")
      [ "${#m_print}" -ne 64 ] || [ "$m_print" = "$S_WANT" ] || result none
      settle
      result settled
    fi
    [ -f "$DUE" ] || result none
    go_back
    served
    say "served $SERVED"
    result "$WORD"
  fi
  at_boot
  look_at
  if [ "$FOREIGN" -gt 0 ] && [ "$O_FORCE" = 0 ]; then
    tell_files
    result foreign
  fi
  ! needed || m_word=would_change
  if [ "$O_CHECK" = 1 ] || [ "$m_word" = unchanged ]; then
    tell_files
    say "served $SERVED"
    if [ "$O_CHECK" = 0 ] && ! settled; then
      lock "$O_WAIT"
      # What another run has begun meanwhile is not this one's to end.
      [ -f "$DUE" ] || settle
    fi
    result "$m_word"
  fi
  lock "$O_WAIT"
  (: >"$LOG") 2>/dev/null || LOG=/dev/null
  # Another run may have changed what was seen before, also one that nobody had to wait for.
  acquaint
  look_at
  [ "$FOREIGN" = 0 ] || [ "$O_FORCE" = 1 ] || result foreign
  fetch
  sweep
  stage_all
  keep
  swap
  tell_files
  if [ "$PLAN" = none ]; then
    say "served $SERVED"
    result changed
  fi
  m_since=$(date -u +%s)
  # Another one of the same look may be served still while the new one starts: not before it is told.
  if activate && until_served "$S_WANT"; then
    say "served $SERVED"
    result changed
  fi
  WHY=${WHY:-start}
  say "served $SERVED"
  say "journal $(last_words "$m_since")"
  if [ "$WRITES" = 0 ] && [ -z "$CUT" ] && [ "$PLAN" != create ] && [ "$PLAN" != recreate ]; then
    # Nothing is new, so there is nothing to go back to.
    forget_old
    result failed
  fi
  go_back
  result "$WORD"
}

main
