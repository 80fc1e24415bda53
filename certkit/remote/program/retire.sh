# shellcheck shell=sh disable=SC2154 # the parts are joined before they run
# Phase four: one registry goes out of the daemon's list of insecure ones. The file is replaced only
# while it is the one that was looked at; the daemon reloads it, without a restart; and where it then
# still lists the registry, or no longer pulls from it, the old file comes back.
#
# Below the state directory, until that has ended well: retired/old/ has the file as it was, and
# retired/new/ what it was replaced by.

# discard: what was staged, and not put in place.
discard() {
  [ -z "${TEMP-}" ] || rm -f "$TEMP"
  [ -z "${FRESH-}" ] || forget_settings
}

forget_settings() {
  rm -f "$OLD" "$NEW"
  k_dir=${S_PATH%/*}
  for k_shelf in old new; do
    (cd "$STATE/retired/$k_shelf" && rmdir -p "${k_dir#/}") 2>/dev/null
    rmdir "$STATE/retired/$k_shelf" 2>/dev/null
  done
  rmdir "$STATE/retired" 2>/dev/null
}

# holds BLOB: whether the file is that, byte for byte.
holds() {
  get "blob_$1"
  same_as "$S_PATH" 2>/dev/null
}

# replace: the new text beside the file, with its mode and owner, then in its place.
replace() {
  TEMP=${S_PATH%/*}/.certkit-$N
  attempt cp -p "$S_PATH" "$TEMP" || fail_io "$S_PATH" "$REFUSAL"
  get "blob_$o_after"
  r_said=$( (printf '%s' "$GOT" | cat >"$TEMP") 2>&1) || fail_io "$S_PATH" "$r_said"
  same_as "$TEMP" || fail disk_full "$S_PATH" 'what was written does not read back'
  relabel "$TEMP" "$S_PATH"
  durable "$TEMP"
  if [ ! -f "$OLD" ]; then
    FRESH=yes
    shelve "$S_PATH" "$OLD"
  fi
  shelve "$TEMP" "$NEW"
  holds "$o_before" || fail meanwhile "$S_PATH"
  trap '' HUP PIPE TERM INT
  attempt mv -f "$TEMP" "$S_PATH" || fail_io "$S_PATH" "$REFUSAL"
  TEMP=
  FRESH=
  durable "${S_PATH%/*}"
}

# daemon_says WANTED: wait until the daemon verifies (asked), or lists the registry again (false). WHY it
# does not verify: it still lists it, or it does not answer.
daemon_says() {
  now
  u_end=$((NOW + LIMIT * 100))
  get r_gone_1
  u_ask=$GOT
  while :; do
    WHY=dead
    u_text=
    if is_daemon "$D_PID" && u_text=$(call 10 "$u_ask" 2>/dev/null); then
      case $u_text in *false*) WHY=listed && u_text=false ;; *asked*) u_text=asked ;; esac
    fi
    [ "$u_text" != "$1" ] || return 0
    now
    [ "$NOW" -lt "$u_end" ] || return 1
    sleep 0.2 2>/dev/null || sleep 1
  done
}

# pulls: whether the daemon reaches the registry, now that it verifies. A name that does not exist is
# enough: only the registry itself can say so.
pulls() {
  WHY=pull
  s_k=0
  while [ "$s_k" -lt "$K" ]; do
    s_k=$((s_k + 1))
    get "k_text_$s_k"
    s_image=$GOT/certkit-probe-$N:0
    get r_pull_1
    if PULLED=$(call "$O_LIMIT" "$GOT" "$s_image" 2>&1); then
      get r_remove_1
      call 60 "$GOT" "$s_image" >/dev/null 2>&1
      continue
    fi
    case $PULLED in *'x509: '*) return 1 ;; esac
    printf '%s\n' "$PULLED" | grep -E -i -q -e "$o_reached" || return 1
  done
}

# put_back: the file as it was before, unless somebody has written it since.
put_back() {
  holds "$o_after" || return 1
  b_temp=${S_PATH%/*}/.certkit-$N
  if cp -p "$OLD" "$b_temp" && mv -f "$b_temp" "$S_PATH"; then
    relabel "$S_PATH" "$S_PATH"
    sync "${S_PATH%/*}" || sync
    return 0
  fi 2>/dev/null
  rm -f "$b_temp"
  return 1
}

reload() { kill -HUP "$D_PID" 2>/dev/null; }

result() {
  word "$S_PATH"
  say "retire $NAME $1 $WORD $WHO"
  finish 0
}

main() {
  one_runtime
  get r_peruser_1
  if [ "$GOT" != 1 ] && [ "$ME_UID" != 0 ]; then
    get r_settings_1
    fail permission "$GOT" 'Permission denied'
  fi
  get r_service_1
  SERVICE=$GOT
  get r_limit_1
  LIMIT=$GOT
  [ "$LIMIT" -le 15 ] || LIMIT=15
  lock "$O_WAIT"
  settings_of 1
  [ "$S_KIND" = file ] || fail meanwhile "$S_PATH"
  [ -n "$D_PID" ] || fail no_process "$NAME"
  get r_scope_1
  manager "$GOT" "$SERVICE"
  OLD=$STATE/retired/old$S_PATH
  NEW=$STATE/retired/new$S_PATH
  set +f
  rm -f "${S_PATH%/*}"/.certkit-*
  set -f
  # A run that was killed before it replaced the file, or somebody who has written it since.
  if [ -f "$OLD" ] && ! { [ -f "$NEW" ] && same_files "$NEW" "$S_PATH"; }; then forget_settings; fi
  m_since=$(date -u +%s)
  if [ "$o_before" != "$o_after" ] && holds "$o_before"; then
    replace
  elif ! holds "$o_after"; then
    fail meanwhile "$S_PATH"
  fi
  # From here on the host ends up whole, whether or not its operator's link holds.
  trap '' HUP PIPE TERM INT
  if reload && daemon_says asked && pulls; then
    forget_settings
    result retired
  fi
  say "reason ${WHY:-dead}"
  [ "${WHY-}" != pull ] || say "pull-text $(printf '%s' "$PULLED" | tail -n 40 | hex)"
  # The daemon's complaints only: what it says of a reload that went well quotes the whole file.
  say "journal $(daemon_log "$m_since" | grep -i -E 'level=(warn|err|fatal)|unable to' |
    cut -c 1-400 | hex)"
  [ -f "$OLD" ] || result kept
  m_word=rollback_failed
  if put_back; then
    forget_settings
    reload
    daemon_says false || answering 1 && m_word=rolled_back
  fi
  result "$m_word"
}

main
