# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# The file that a daemon has its settings from, and what its command line says beside it.

# is_daemon PID: whether that process is Docker's daemon. A signal sent to any other would end it.
is_daemon() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  d_comm=
  { IFS= read -r d_comm <"/proc/$1/comm"; } 2>/dev/null
  case $d_comm in dockerd*) ;; *) return 1 ;; esac
}

# daemon_process RUNTIME: sets D_PID, to nothing where it is not found. Its own file first: a manager's
# main process may be one that only started it.
daemon_process() {
  get "r_pidfile_$1"
  expand "$GOT"
  D_PID=
  { IFS= read -r D_PID <"$GOT"; } 2>/dev/null
  ! is_daemon "$D_PID" || return 0
  get "r_service_$1"
  d_service=$GOT
  get "r_scope_$1"
  manager "$GOT" "$d_service"
  case $MANAGER in
    systemd) D_PID=$(guard 10 systemctl show -p MainPID "$d_service" 2>/dev/null) ;;
    user) D_PID=$(guard 10 systemctl --user show -p MainPID "$d_service" 2>/dev/null) ;;
    snap) D_PID=$(guard 10 systemctl show -p MainPID snap.docker.dockerd 2>/dev/null) ;;
  esac
  D_PID=${D_PID#MainPID=}
  is_daemon "$D_PID" || D_PID=
}

# settings_of RUNTIME: sets S_PATH, S_KIND (what stands there) and S_FLAGS, the insecure registries of
# the command line.
settings_of() {
  get "r_settings_$1"
  expand "$GOT"
  S_PATH=$GOT
  S_FLAGS=
  daemon_process "$1"
  s_words=
  [ -z "$D_PID" ] || s_words=$(tr '\0' '\n' <"/proc/$D_PID/cmdline" 2>/dev/null)
  s_next=
  IFS=$NL
  for s_word in $s_words; do
    IFS=' 	
'
    case $s_next in
      file) S_PATH=$s_word ;;
      flag) add S_FLAGS "$s_word" ;;
    esac
    s_next=
    case $s_word in
      --config-file) s_next='file' ;;
      --config-file=*) S_PATH=${s_word#*=} ;;
      --insecure-registry) s_next=flag ;;
      --insecure-registry=*) add S_FLAGS "${s_word#*=}" ;;
    esac
  done
  IFS=' 	
'
  case $S_PATH in
    /*/*)
      if [ -L "$S_PATH" ]; then
        S_KIND='link'
      elif [ ! -e "$S_PATH" ]; then
        S_KIND=missing
      elif [ ! -f "$S_PATH" ]; then
        S_KIND=other
      elif [ ! -r "$S_PATH" ]; then
        S_KIND=unreadable
      else
        S_KIND='file'
      fi
      ;;
    *) S_KIND=relative ;;
  esac
}

# tell_settings: the file of the runtime that is reported, as it stands. Called where this part is sent
# with those that place files.
TELL=tell_settings
tell_settings() {
  get "r_settings_$REPORTED"
  [ -n "$GOT" ] || return 0
  settings_of "$REPORTED"
  s_text=
  [ "$S_KIND" != file ] || s_text=$(hex <"$S_PATH")
  word "$S_PATH"
  say "settings $S_KIND ${D_PID:-0} $WORD $s_text."
  [ -z "$S_FLAGS" ] || mention flags "$S_FLAGS"
  [ ! -f "$STATE/retired/old$S_PATH" ] || say unfinished
}
