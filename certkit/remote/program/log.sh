# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# The time, and what a daemon says in its log.

# now: hundredths of a second of a clock that nobody sets.
now() {
  if IFS=' ' read -r w_up _ 2>/dev/null </proc/uptime; then
    NOW=${w_up%.*}${w_up#*.}
  else
    NOW=$(date -u +%s)00
  fi
}

# daemon_log SINCE: its last words since that second.
daemon_log() {
  case $MANAGER in
    user) guard 10 journalctl --user -u "$SERVICE" -n 20 --no-pager -o cat --since "@$1" ;;
    snap) guard 20 snap logs -n 20 "$SERVICE" ;;
    systemd) guard 10 journalctl -u "$SERVICE" -n 20 --no-pager -o cat --since "@$1" ;;
    *)
      for j_log in "/var/log/$SERVICE.log" "/var/log/$SERVICE/$SERVICE.log"; do
        [ ! -r "$j_log" ] || tail -n 20 "$j_log"
      done
      ;;
  esac 2>/dev/null </dev/null
}
