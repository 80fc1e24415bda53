# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# The service managers: which one knows the daemon, whether it runs, how to restart it.

# manager SCOPE SERVICE: sets MANAGER.
manager() {
  MANAGER=none
  case $1 in
    snap) has snap && MANAGER=snap ;;
    user) has systemctl && [ -d "$RUN/systemd" ] && MANAGER=user ;;
    system)
      if [ -d /run/systemd/system ] && has systemctl; then
        MANAGER=systemd
      elif has rc-service && [ -x "/etc/init.d/$2" ]; then
        MANAGER=openrc
      elif [ -x "/etc/init.d/$2" ]; then
        MANAGER=sysv
      fi
      ;;
  esac
  :
}

# active SERVICE: 0 running, 1 stopped, 2 not known to the manager.
active() {
  case $MANAGER in
    systemd) a_state=$(guard 10 systemctl is-active "$1" 2>/dev/null) ;;
    user) a_state=$(guard 10 systemctl --user is-active "$1" 2>/dev/null) ;;
    openrc) guard 10 rc-service "$1" status >/dev/null 2>&1 && return 0 || return 1 ;;
    snap)
      case $(guard 20 snap services "$1" 2>/dev/null) in *' active '*) return 0 ;; *) return 1 ;; esac
      ;;
    sysv) if guard 10 "/etc/init.d/$1" status >/dev/null 2>&1; then return 0; else return 2; fi ;;
    *) return 2 ;;
  esac
  case $a_state in
    active | activating | reloading | refreshing) return 0 ;;
    inactive | failed | deactivating) ;;
    *) return 2 ;;
  esac
  # Asking the client would start a stopped daemon through its socket unit.
  if [ "$MANAGER" = systemd ]; then
    case $(guard 10 systemctl is-active "$1.socket" 2>/dev/null) in active) return 1 ;; esac
    return 2
  fi
  return 1
}

# answering RUNTIME: whether its daemon runs and answers; sets SAID to what it said.
answering() {
  SAID=
  get "r_scope_$1"
  if [ -n "$GOT" ]; then
    get "r_service_$1"
    a_service=$GOT
    get "r_scope_$1"
    manager "$GOT" "$a_service"
    active "$a_service"
    [ $? -ne 1 ] || return 1
  fi
  get "r_version_$1"
  SAID=$(INSTEAD='exec' && call 20 "$GOT" 2>/dev/null) || return 1
  # Where nobody answers, some clients print the rest of the line all the same.
  case $SAID in '' | '|'*) return 1 ;; esac
}
