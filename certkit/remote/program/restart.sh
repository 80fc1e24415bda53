# shellcheck shell=sh
# Phase two: restart one daemon, wait for its answer, and put the old files back if none comes.

# do_restart: bounded; 124 when time was up. Its output goes to a file: a daemon that a script starts
# would keep a pipe, and with it the operator's connection, open.
do_restart() {
  # A daemon that others restarted a few times this minute would be refused its start.
  unstick 0
  case $MANAGER in
    systemd) guard "$LIMIT" systemctl restart "$SERVICE" ;;
    user) guard "$LIMIT" systemctl --user restart "$SERVICE" ;;
    snap) guard "$LIMIT" snap restart "$SERVICE" ;;
    *)
      # The daemon becomes a descendant, and must not inherit ignored signals.
      (
        trap - HUP PIPE TERM INT
        case $MANAGER in
          operator) guard "$LIMIT" sh -c "$COMMAND" ;;
          openrc) guard "$LIMIT" rc-service "$SERVICE" restart ;;
          *) if has service; then guard "$LIMIT" service "$SERVICE" restart; else guard "$LIMIT" "/etc/init.d/$SERVICE" restart; fi ;;
        esac
      )
      ;;
  esac >"$LOG" 2>&1 </dev/null
}

# unstick: clear the way for another start, after one that failed or hangs.
unstick() {
  case $MANAGER in
    systemd)
      [ "$1" != 124 ] || guard 30 systemctl kill -s KILL "$SERVICE"
      # StartLimitBurst would refuse the start that matters most.
      guard 30 systemctl reset-failed "$SERVICE"
      ;;
    user)
      [ "$1" != 124 ] || guard 30 systemctl --user kill -s KILL "$SERVICE"
      guard 30 systemctl --user reset-failed "$SERVICE"
      ;;
  esac >/dev/null 2>&1
  :
}

gone_for_good() {
  case $MANAGER in
    systemd) [ "$(guard 10 systemctl is-active "$SERVICE" 2>/dev/null)" = failed ] ;;
    user) [ "$(guard 10 systemctl --user is-active "$SERVICE" 2>/dev/null)" = failed ] ;;
    *) false ;;
  esac
}

# healthy: poll until the daemon answers, or its time is up, or its manager gave it up.
healthy() {
  now
  y_end=$((NOW + LIMIT * 100))
  get r_health_1
  y_ask=$GOT
  until call 10 "$y_ask" >/dev/null 2>&1; do
    now
    [ "$NOW" -lt "$y_end" ] || return 1
    ! gone_for_good || return 1
    sleep 0.3 2>/dev/null || sleep 1
  done
}

# journal SINCE: the last words of what restarted the daemon, and of the daemon.
journal() {
  {
    [ "$LOG" = /dev/null ] || tail -n 5 "$LOG" 2>/dev/null
    daemon_log "$1"
  } | tail -n 25 | cut -c 1-400 | hex
}

# put_back: every file that changed since the last proven restart, as it was before. As in `commit`, what is
# about to be there is certkit's own before it is; `former` stays, for the rollback that follows if this one is cut.
put_back() {
  p_failed=
  IFS=$NL
  for p_path in $TARGETS; do
    IFS=' 	
'
    p_temp=${p_path%/*}/.certkit-$N-old
    p_done=yes
    if [ -f "$STATE/former$p_path" ]; then
      cp -p "$STATE/former$p_path" "$STATE/intent$p_path" || rm -f "$STATE/intent$p_path"
    fi
    if [ -f "$STATE/previous$p_path" ]; then
      # A removal took an empty directory along.
      if [ ! -d "${p_path%/*}" ]; then mkdir -p "${p_path%/*}" && restorecon "${p_path%/*}"; fi
      if cp -p "$STATE/previous$p_path" "$p_temp" && mv -f "$p_temp" "$p_path"; then
        restorecon "$p_path"
      else
        rm -f "$p_temp"
        # A full disk has room for one of the two: the one that goes makes it. Half a file is none.
        cp -p "$STATE/previous$p_path" "$p_path" || {
          rm -f "$p_path"
          p_done=
        }
      fi
    elif [ -f "$STATE/absent$p_path" ]; then
      rm -f "$p_path" || p_done=
      # An empty directory would hide one further down a client's list.
      rmdir "${p_path%/*}"
    else
      p_done=
    fi
    if [ -z "$p_done" ]; then
      p_failed=yes
    elif [ -f "$STATE/former$p_path" ]; then
      mv -f "$STATE/intent$p_path" "$STATE/record$p_path" ||
        mv -f "$STATE/former$p_path" "$STATE/record$p_path"
    else
      rm -f "$STATE/record$p_path" "$STATE/intent$p_path"
    fi
    sync "${p_path%/*}" || sync
  done 2>/dev/null
  IFS=' 	
'
  [ -z "$p_failed" ]
}

# targets: the host's own list of what changed, over runs that were cut short; without one, what the
# operator's side says has changed just now.
targets() {
  TARGETS=
  if [ -f "$DUE" ]; then
    TARGETS=$(cat "$DUE")
    swept
    return
  fi
  t_n=0
  while [ "$t_n" -lt "$F" ]; do
    t_n=$((t_n + 1))
    get "f_path_$t_n"
    [ ! -f "$STATE/previous$GOT" ] && [ ! -f "$STATE/absent$GOT" ] || add TARGETS "$GOT"
  done
}

# swept: what a rollback that was cut has left beside them.
swept() {
  IFS=$NL
  for w_path in $TARGETS; do
    IFS=' 	
'
    set +f
    set -- "${w_path%/*}"/.certkit-*-old
    set -f
    [ ! -e "$1" ] || rm -f "$@"
  done
  IFS=' 	
'
}

result() {
  now
  say "restart $NAME $1 $((NOW - STARTED)) $WHO"
}

main() {
  one_runtime
  get r_service_1
  SERVICE=$GOT
  get r_limit_1
  LIMIT=$GOT
  get r_command_1
  COMMAND=$GOT
  get r_peruser_1
  # What the operator wrote may well do without root; a service manager will not.
  [ "$ME_UID" = 0 ] || [ "$GOT" = 1 ] || [ -n "$COMMAND" ] || fail not_root "$NAME"
  lock "$O_WAIT"
  DUE=$STATE/due/$NAME
  BEGUN=$STATE/begun.$NAME
  LOG=$STATE/restart.log
  (: >"$LOG") 2>/dev/null || LOG=/dev/null
  now
  STARTED=$NOW
  # Another run may have seen to it while this one waited for the lock, or for its turn; or somebody has started
  # what was down.
  if [ "$O_DUE" = 1 ] && [ ! -f "$DUE" ] && { [ ! -f "$BEGUN" ] || answering 1; }; then
    rm -f "$BEGUN"
    say 'reason done'
    result refused
    finish 0
  fi

  answering 1
  m_answers=$?
  active "$SERVICE"
  case $m_answers$? in
    0* | 10) ;;
    *)
      # A restart that was cut short, or failed, may have left it so. Else it was stopped on purpose: it reads
      # the files when it starts, and starting it is not ours to do.
      if [ ! -f "$BEGUN" ]; then
        say 'reason stopped'
        result refused
        targets
        rm -f "$DUE"
        settled "$TARGETS"
        finish 0
      fi
      ;;
  esac
  if [ -n "$COMMAND" ]; then
    MANAGER=operator
  else
    case $MANAGER in
      sysv) ;;
      none) fail no_manager "$SERVICE" ;;
      *) [ -f "$BEGUN" ] || active "$SERVICE" || fail no_manager "$SERVICE" ;;
    esac
  fi

  # From here on the host ends up whole, whether or not its operator's link holds.
  trap '' HUP PIPE TERM INT
  m_since=$(date -u +%s)
  { printf '' >"$BEGUN"; } 2>/dev/null && sync "$BEGUN" 2>/dev/null
  do_restart
  m_status=$?
  if [ "$m_status" = 0 ] && healthy; then
    targets
    rm -f "$DUE" "$BEGUN"
    settled "$TARGETS"
    result restarted
    finish 0
  fi
  [ "$m_status" != 124 ] || say 'reason hung'
  say "journal $(journal "$m_since")"
  m_word=rolled_back
  m_up=yes
  targets
  if [ -n "$TARGETS" ]; then
    if put_back; then
      say 'restored yes'
    else
      say 'restored no'
      m_word=stuck
    fi
  else
    # Nothing of certkit's is new to this daemon; one more try, on the same files.
    m_word=restarted
  fi
  unstick "$m_status"
  if do_restart; then
    healthy || m_up=
  elif healthy; then
    # It answers, on the files it had: not the daemon is broken, but what should restart it.
    [ "$m_status" = 124 ] || say 'reason command'
    [ "$m_word" != restarted ] || m_word=rolled_back
  else
    m_up=
  fi
  # What could not be put back now stays due, and so does its way back.
  [ "$m_word" = stuck ] || rm -f "$DUE"
  if [ -n "$m_up" ]; then
    rm -f "$BEGUN"
  else
    # Certkit has left it down, so the next run starts it.
    m_word=rollback_failed
  fi
  result "$m_word"
  finish 0
}

main
